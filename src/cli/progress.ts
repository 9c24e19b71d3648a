/** @file A bar for long work, on a terminal only; short work shows none. */
import type { Io } from "./io.ts";
import { bytes } from "./text.ts";

/** Milliseconds before a bar appears: what ends sooner would only flicker. */
const PATIENCE = 500;

export interface Progress {
  readonly update: (done: number, total: number, what: string) => void;
  stop(): void;
}

export async function progressBar(io: Io, verb: string): Promise<Progress> {
  if (!io.interactive) return { update: () => {}, stop: () => {} };
  const { default: cliProgress } = await import("cli-progress");
  const start = performance.now();
  let bar: InstanceType<typeof cliProgress.SingleBar> | undefined;
  return {
    update: (done, total, what) => {
      if (!bar) {
        if (performance.now() - start < PATIENCE) return;
        bar = new cliProgress.SingleBar(
          { format: `${verb} {bar} {percentage}% {size} {what}`, clearOnComplete: true, hideCursor: true, barsize: 24 },
          cliProgress.Presets.shades_classic,
        );
        bar.start(total, done, { size: "", what: "" });
      }
      bar.setTotal(total);
      bar.update(done, { size: `${bytes(done)} of ${bytes(total)}`, what });
    },
    stop: () => bar?.stop(),
  };
}
