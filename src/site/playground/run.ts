/** @file Runs a compiled model in the page, on what the browser has: webgpu, else wasm, else plain JavaScript. */
import * as converter from "@tensorflow/tfjs-converter";
import * as core from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-core/dist/register_all_gradients";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";
import "@tensorflow/tfjs-backend-cpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import "@tensorflow/tfjs-backend-webgpu";
import simd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import threaded from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url";
import plain from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url";
import { load } from "../../backends/tfjs/runtime/load.ts";
import type { Tf } from "../../backends/tfjs/runtime/tf.ts";
import type { Runnable } from "./protocol.ts";

setWasmPaths({
  "tfjs-backend-wasm.wasm": plain,
  "tfjs-backend-wasm-simd.wasm": simd,
  "tfjs-backend-wasm-threaded-simd.wasm": threaded,
});
const tf = { ...core, ...converter } as unknown as Tf;

/** Places of a sequence, and sequences, where the model leaves them open. */
const LENGTH = 8;

export interface RunResult {
  readonly backend: string;
  readonly milliseconds: number;
  readonly outputs: readonly {
    readonly name: string;
    readonly dims: readonly number[];
    readonly low: number;
    readonly high: number;
    readonly mean: number;
  }[];
}

/** Loads the model, runs it twice on random inputs (the first run compiles), and disposes of it. */
export async function run({ model, record, shards }: Runnable): Promise<RunResult> {
  const files = new Map<string, ArrayBuffer>(shards.map((s) => [s.name, s.bytes]));
  const text = (s: string): ArrayBuffer => new TextEncoder().encode(s).buffer as ArrayBuffer;
  files.set("model.json", text(model));
  files.set("tfm.json", text(record));
  const loaded = await load(tf, { name: "the playground", read: async (file) => files.get(file) });
  try {
    const given = Object.fromEntries(
      loaded.signature.inputs
        .filter((port) => port.default === undefined)
        .map((port) => {
          const dims = port.dims.map((d) => (typeof d === "number" ? d : d.includes("batch") ? 1 : LENGTH));
          const count = dims.reduce((n, d) => n * d, 1);
          const below = port.below ?? 2;
          const number = (): number =>
            port.dtype === "float32" ? Math.random() * 2 - 1 : Math.floor(Math.random() * below);
          return [port.name, { dims, data: Array.from({ length: count }, number) }];
        }),
    );
    await loaded.run(given);
    const start = performance.now();
    const outputs = await loaded.run(given);
    const milliseconds = performance.now() - start;
    return {
      backend: loaded.backend,
      milliseconds,
      outputs: [...outputs].map(([name, { dims, data }]) => ({ name, dims, ...summary(Array.from(data)) })),
    };
  } finally {
    loaded.dispose();
  }
}

function summary(numbers: readonly number[]): { low: number; high: number; mean: number } {
  const start = { low: Infinity, high: -Infinity, sum: 0 };
  const { low, high, sum } = numbers.reduce(
    (s, n) => ({ low: Math.min(s.low, n), high: Math.max(s.high, n), sum: s.sum + n }),
    start,
  );
  return { low, high, mean: sum / numbers.length };
}
