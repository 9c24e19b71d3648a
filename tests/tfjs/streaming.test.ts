/** Weights come from their shards a few at a time, and whatever is wrong with one is said, with no tensor left. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SHARD_BYTES, type WeightEntry } from "../../src/backends/tfjs/graph-def.ts";
import { TfjsRuntimeError } from "../../src/backends/tfjs/runtime/errors.ts";
import { load } from "../../src/backends/tfjs/runtime/load.ts";
import { folderAt, type ModelSource } from "../../src/backends/tfjs/runtime/source.ts";
import { readWeights, type LoadProgress, type WeightOptions } from "../../src/backends/tfjs/runtime/weights.ts";
import { nativeFolder, tensorflow, type WholeTf } from "../support/tfjs.ts";

let tf: WholeTf;
beforeAll(async () => {
  tf = await tensorflow();
  await tf.setBackend(nativeFolder === undefined ? "wasm" : "tensorflow");
}, 120_000);

/** Every way in which weights are stored; none of the widths fits the shards. */
const WEIGHTS: readonly WeightEntry[] = [
  { name: "floats", shape: [3, 5], dtype: "float32" },
  { name: "flags", shape: [3], dtype: "bool" },
  { name: "nothing", shape: [0, 4], dtype: "float32" },
  { name: "one", shape: [], dtype: "int32" },
  { name: "halves", shape: [7], dtype: "float32", quantization: { dtype: "float16" } },
  { name: "bytes", shape: [2, 9], dtype: "float32", quantization: { dtype: "uint8", scale: 0.013, min: -1.5 } },
  { name: "ints", shape: [4], dtype: "int32" },
  { name: "last", shape: [0], dtype: "int32" },
];
const STORED = Buffer.concat([
  Buffer.from(Float32Array.from({ length: 15 }, (_, i) => Math.sin(i) * 10 ** (i - 7)).buffer),
  Buffer.from([1, 0, 1]),
  Buffer.from(Int32Array.of(-7).buffer),
  Buffer.from(Uint16Array.of(0, 0x3c00, 0xbc01, 0x0001, 0x7bff, 0x8000, 0x3555).buffer),
  Buffer.from(Uint8Array.from({ length: 18 }, (_, i) => (i * 37) % 256)),
  Buffer.from(Int32Array.of(1, -1, 2 ** 31 - 1, -(2 ** 31)).buffer),
]);

/** A folder of shards of so many bytes, in which files may be others, or none. */
function shards(each: number, instead: Readonly<Record<string, Buffer | undefined>> = {}) {
  const files = new Map<string, Buffer>();
  for (let at = 0; at < STORED.length; at += each) files.set(`s${files.size}`, STORED.subarray(at, at + each));
  const paths = [...files.keys()];
  const asked: string[] = [];
  const source: ModelSource = {
    name: "the folder",
    read: async (file) => {
      asked.push(file);
      const bytes = file in instead ? instead[file] : files.get(file);
      return bytes && (new Uint8Array(bytes).buffer as ArrayBuffer);
    },
  };
  const read = (options: WeightOptions = {}, check = (): void => undefined) =>
    readWeights(tf, source, "", [{ paths, weights: WEIGHTS }], check, options);
  return { paths, asked, read };
}

async function failure(run: () => Promise<unknown>): Promise<unknown> {
  const before = tf.memory().numTensors;
  const error = await run().then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeDefined();
  expect(tf.memory().numTensors).toBe(before);
  return error;
}

test.each([5, 7, 16, 61, 1000])("the same numbers as TensorFlow.js reads, in shards of %i bytes", async (each) => {
  const { paths, asked, read } = shards(each);
  const seen: LoadProgress[] = [];
  const made = await read({ onProgress: (p) => seen.push(p) });
  const wanted = tf.io.decodeWeights(new Uint8Array(STORED).buffer as ArrayBuffer, WEIGHTS as never);
  expect([...made.keys()]).toEqual(WEIGHTS.map((w) => w.name));
  for (const [name, tensor] of made) {
    expect(tensor.shape).toEqual(wanted[name]!.shape);
    expect(tensor.dtype).toBe(wanted[name]!.dtype);
    expect(Array.from(await tensor.data())).toEqual(Array.from(await wanted[name]!.data()));
  }
  tf.dispose([...made.values(), ...Object.values(wanted)]);
  expect(asked).toEqual(paths);
  expect(seen.map((p) => p.loaded)).toEqual([0, ...paths.map((_, i) => Math.min(STORED.length, (i + 1) * each))]);
  expect(new Set(seen.map((p) => p.total))).toEqual(new Set([STORED.length]));
});

test("few shards are held at a time", async () => {
  const { paths, asked, read } = shards(4);
  expect(paths.length).toBeGreaterThan(20);
  let taken = 0;
  const made = await read({
    onProgress: ({ loaded }) => {
      taken = loaded / 4;
      expect(asked.length - taken).toBeLessThanOrEqual(4);
    },
  });
  expect(taken).toBe(STORED.length / 4);
  tf.dispose([...made.values()]);
});

describe("a shard", () => {
  const fails = async (code: string, text: RegExp, instead: Readonly<Record<string, Buffer | undefined>>) => {
    const error = await failure(() => shards(16, instead).read());
    expect(error).toBeInstanceOf(TfjsRuntimeError);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toMatch(text);
  };

  test("that is cut short", async () => {
    await fails("shard-size", /s3 of the folder is 9 bytes long, and model.json says 16: it is cut short/, {
      s3: Buffer.alloc(9),
    });
    await fails("shard-size", /is 0 bytes long/, { s4: Buffer.alloc(0) });
  });

  test("that is longer", async () => {
    await fails("shard-size", /s2 of the folder is 17 bytes long.*another model's/, { s2: Buffer.alloc(17) });
  });

  test("that is missing", async () => {
    await fails("file-missing", /the folder has no s1 /, { s1: undefined });
  });
});

test("of files as they are written the first is known to be cut short, too", async () => {
  const weights = [{ name: "w", shape: [SHARD_BYTES / 2], dtype: "float32" as const }];
  const source: ModelSource = {
    name: "the folder",
    read: async (file) => new ArrayBuffer(file === "a" ? 100 : SHARD_BYTES),
  };
  const error = await failure(() => readWeights(tf, source, "", [{ paths: ["a", "b"], weights }], () => undefined));
  expect((error as Error).message).toMatch(/^a of the folder is 100 bytes long, and model.json says 4194304/);
});

test("what stops it is thrown as it is, and no more is read", async () => {
  const stop = new AbortController();
  const { asked, read } = shards(4);
  const error = await failure(() =>
    read({ signal: stop.signal, onProgress: ({ loaded }) => loaded >= 80 && stop.abort(new Error("enough")) }),
  );
  expect((error as Error).message).toBe("enough");
  expect(asked.length).toBeLessThan(26);
  const at = await failure(() => shards(4).read({ signal: AbortSignal.abort() }));
  expect((at as Error).name).toBe("AbortError");
});

test("a backend that is not the same any more", async () => {
  let calls = 0;
  const error = await failure(() =>
    shards(16).read({}, () => {
      if (calls++ === 3) throw new Error("changed");
    }),
  );
  expect((error as Error).message).toBe("changed");
});

describe("over a network", () => {
  let server: Server;
  let address = "";
  let open = 0;
  beforeAll(async () => {
    const model = {
      format: "graph-model",
      modelTopology: { node: [], library: {}, versions: { producer: 1882 } },
      signature: { inputs: {}, outputs: {} },
      weightsManifest: [{ paths: ["w.bin"], weights: [{ name: "w", shape: [25], dtype: "float32" }] }],
    };
    server = createServer((request, response) => {
      const path = request.url!;
      if (path.endsWith("/model.json")) return void response.end(JSON.stringify(model));
      if (path === "/cut/w.bin") {
        response.writeHead(200, { "content-length": "100" });
        response.write(Buffer.alloc(40));
        return void setTimeout(() => response.destroy(), 50);
      }
      if (path === "/slow/w.bin") {
        open++;
        response.on("close", () => open--);
        response.writeHead(200, { "content-length": "100" });
        return void response.write(Buffer.alloc(40));
      }
      response.writeHead(path === "/broken/w.bin" ? 500 : 404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  const backends = [nativeFolder === undefined ? "cpu" : "tensorflow"];

  test("a connection that breaks, a server that cannot", async () => {
    for (const [folder, text] of [
      ["cut", /cut\/w\.bin could not be read: \w+/],
      ["broken", /broken\/w\.bin could not be read: status 500/],
      ["none", /has no w\.bin/],
    ] as const) {
      const error = await failure(() => load(tf, folderAt(`${address}/${folder}`), { backends }));
      expect(error).toMatchObject({ code: "file-missing" });
      expect((error as Error).message).toMatch(text);
    }
  });

  test("what is stopped is not fetched on", async () => {
    const stop = new AbortController();
    const error = await failure(() =>
      load(tf, folderAt(`${address}/slow`), {
        backends,
        signal: stop.signal,
        onProgress: () => setTimeout(() => stop.abort(), 50),
      }),
    );
    expect((error as Error).name).toBe("AbortError");
    await expect.poll(() => open).toBe(0);
  });
});
