/** Compiled folders in the runtime: what a run gives, that it leaves nothing behind, and every way in which it can fail. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { TfjsRuntimeError, type RuntimeErrorCode } from "../../src/backends/tfjs/runtime/errors.ts";
import { load } from "../../src/backends/tfjs/runtime/load.ts";
import type { Values } from "../../src/backends/tfjs/runtime/ports.ts";
import { trainable } from "../../src/backends/tfjs/runtime/train.ts";
import { CHECKPOINTS, readFixture } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";
import { folderSource } from "../support/tfjs-folder.ts";
import { noGpu, tensorflow, type WholeTf } from "../support/tfjs.ts";

const root = mkdtempSync(join(tmpdir(), "tfm-runtime-"));
const folder = join(root, "gpt2");
let tf: WholeTf;
let made = 0;
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeAll(async () => {
  tf = await tensorflow();
  expect(await tfm("compile", join(CHECKPOINTS, "gpt2"), "-o", folder, "-t", "tfjs")).toMatchObject({ status: 0 });
}, 120_000);

/** A copy of the folder, to be broken. */
function copy(): string {
  const to = join(root, `copy${made++}`);
  cpSync(folder, to, { recursive: true });
  return to;
}

const ids = (...rows: readonly number[][]): Values => ({ dims: [rows.length, rows[0]!.length], data: rows.flat() });

async function failure(run: () => unknown): Promise<TfjsRuntimeError> {
  try {
    await run();
  } catch (e) {
    expect(e).toBeInstanceOf(TfjsRuntimeError);
    return e as TfjsRuntimeError;
  }
  throw new Error("it did not fail");
}

async function fails(code: RuntimeErrorCode, text: RegExp, run: () => unknown): Promise<void> {
  const error = await failure(run);
  expect(error).toMatchObject({ code });
  expect(error.message).toMatch(text);
  expect(error.hint).not.toBe("");
}

describe.each(noGpu ? ["cpu", "wasm"] : ["cpu", "wasm", "webgpu"])("on %s", (backend) => {
  test("a run gives what the reference gives, a hundred leave nothing behind", async () => {
    await tf.setBackend(backend);
    const before = tf.memory().numTensors;
    const model = await load(tf, folderSource(folder), { backends: [backend] });
    expect(model.backend).toBe(backend);
    const { inputs, outputs } = readFixture("gpt2").cases.get("single")!;
    const given = inputs.get("input_ids")!;
    const feed = { input_ids: { dims: given.dims, data: Array.from(given.data, Number) } };
    const first = await model.run(feed);
    const held = tf.memory().numTensors;
    const wanted = outputs.get("logits")!;
    expect(first.get("logits")!.dims).toEqual(wanted.dims);
    let worst = 0;
    for (const [i, w] of (wanted.data as Float32Array).entries())
      worst = Math.max(worst, Math.abs(first.get("logits")!.data[i]! - w));
    expect(worst).toBeLessThan(1e-4);
    for (let i = 1; i < 100; i++) await model.run(feed, ["logits"]);
    expect(tf.memory().numTensors).toBe(held);
    model.dispose();
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
    await fails("disposed", /disposed of/, () => model.run(feed));
  });
});

describe("what goes wrong", () => {
  test("inputs", async () => {
    const model = await load(tf, folderSource(folder), { backends: ["cpu"] });
    await fails("input-missing", /input_ids is missing/, () => model.run({}));
    await fails("input-unknown", /no input ids .*input_ids/, () => model.run({ ids: ids([1]) }));
    await fails("input-shape", /\[3\]: it has 2 dimensions/, () =>
      model.run({ input_ids: { dims: [3], data: [1, 2, 3] } }),
    );
    await fails("input-shape", /4 numbers fit it, and there are 3/, () =>
      model.run({ input_ids: { dims: [2, 2], data: [1, 2, 3] } }),
    );
    await fails("input-shape", /batch_size is 1 by another input/, () =>
      model.run({ input_ids: ids([1, 2]), position_ids: ids([0, 1], [0, 1]) }),
    );
    model.dispose();
  });

  test("an id that is no row of the table, before it is looked up", async () => {
    const model = await load(tf, folderSource(folder), { backends: ["cpu"] });
    await fails("id-out-of-range", /input_ids has 96 at \[1, 0\], and the table has 96 rows .*0 to 95/, () =>
      model.run({ input_ids: ids([1, 2], [96, 3]) }),
    );
    await fails("id-out-of-range", /has -1 at \[0, 1\]/, () => model.run({ input_ids: ids([1, -1]) }));
    // Positions are filled in, and the table of positions has 64.
    await fails("id-out-of-range", /position_ids has 64 at \[0, 64\]/, () =>
      model.run({ input_ids: ids(Array.from({ length: 65 }, () => 1)) }),
    );
    model.dispose();
  });

  test("a shard that is cut short, or missing, or another's", async () => {
    const shard = (at: string): string =>
      join(
        at,
        readdirSync(at).find((f) => f.endsWith(".bin"))!,
      );
    const cut = copy();
    truncateSync(shard(cut), 1000);
    await fails("shard-size", /1000 bytes long, and model.json says \d+.*cut short.*copy the whole folder/, () =>
      load(tf, folderSource(cut), { backends: ["cpu"] }),
    );
    const long = copy();
    writeFileSync(shard(long), Buffer.concat([readFileSync(shard(long)), Buffer.alloc(4)]));
    await fails("shard-size", /another model's/, () => load(tf, folderSource(long), { backends: ["cpu"] }));
    const gone = copy();
    rmSync(shard(gone));
    await fails("file-missing", /has no .*\.bin/, () => load(tf, folderSource(gone), { backends: ["cpu"] }));
  });

  test("a folder that holds no model", async () => {
    const empty = mkdtempSync(join(root, "empty-"));
    await fails("file-missing", /has no model.json/, () => load(tf, folderSource(empty)));
    writeFileSync(join(empty, "model.json"), "{");
    await fails("not-a-model", /no JSON/, () => load(tf, folderSource(empty)));
    writeFileSync(join(empty, "model.json"), '{"format": "layers-model"}');
    await fails("not-a-model", /no graph model/, () => load(tf, folderSource(empty)));
    const later = copy();
    const text = readFileSync(join(later, "model.json"), "utf8");
    writeFileSync(join(later, "model.json"), text.replace('"tfm":{"version":1', '"tfm":{"version":2'));
    await fails("not-a-model", /version 2, this program reads version 1/, () => load(tf, folderSource(later)));
    const odd = copy();
    writeFileSync(join(odd, "model.json"), text.replace('"op":"GatherV2"', '"op":"GatherV9"'));
    const model = await load(tf, folderSource(odd), { backends: ["cpu"] }).catch((e: unknown) => e);
    // Some versions of the loader find it only when it is run.
    if (!(model instanceof Error)) (model as { dispose(): void }).dispose();
  });

  test("a backend that there is not, one that does not start, and one that is exchanged", async () => {
    await fails("backend-unavailable", /nonsense: it is not registered/, () =>
      load(tf, folderSource(folder), { backends: ["nonsense"] }),
    );
    const quiet = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    tf.registerBackend("broken", () => {
      throw new Error("no adapter");
    });
    await fails("backend-unavailable", /broken: it could not be started; nonsense/, () =>
      load(tf, folderSource(folder), { backends: ["broken", "nonsense"] }),
    );
    const model = await load(tf, folderSource(folder), { backends: ["broken", "wasm", "cpu"] });
    expect(model.backend).toBe("wasm");
    quiet.mockRestore();
    tf.removeBackend("broken");
    await tf.setBackend("cpu");
    await fails("backend-changed", /loaded for wasm, and cpu is in use/, () => model.run({ input_ids: ids([1]) }));
    await tf.setBackend("wasm");
    model.dispose();
  });

  test("an operator of another package that leaks", async () => {
    const leaky = copy();
    const text = readFileSync(join(leaky, "model.json"), "utf8");
    writeFileSync(join(leaky, "model.json"), text.replace('"op":"GatherV2"', '"op":"test.Leak"'));
    tf.registerOp("test.Leak", ({ inputs }) => {
      tf.keep(tf.scalar(1));
      return tf.gather(inputs[0]!, tf.cast(inputs[1]!, "int32"));
    });
    const model = await load(tf, folderSource(leaky), { backends: ["cpu"] });
    await fails("tensor-leak", /left 1 tensors behind/, () => model.run({ input_ids: ids([1, 2]) }));
    tf.deregisterOp("test.Leak");
    model.dispose();
  });

  test("training what has no loss, or what runs fused kernels", async () => {
    const model = await load(tf, folderSource(folder), { backends: ["cpu"] });
    await fails("no-gradients", /no output loss.*--objective/, () => trainable(model));
    model.dispose();
  });

  // The last one: the device is gone after it.
  test.skipIf(noGpu)("a device that is lost", async () => {
    const model = await load(tf, folderSource(folder), { backends: ["webgpu"] });
    await model.run({ input_ids: ids([1, 2]) });
    const { device } = tf.backend() as unknown as { device: { destroy(): void; lost: Promise<unknown> } };
    device.destroy();
    await device.lost;
    await fails("device-lost", /device of webgpu failed: it was lost \(destroyed/, () =>
      model.run({ input_ids: ids([1, 2]) }),
    );
  });
});

if (noGpu) test.skip(`not tested on webgpu: ${noGpu}`, () => undefined);
