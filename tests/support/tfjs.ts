/**
 * @file TensorFlow.js with the backends cpu, wasm and webgpu, for tests. Node finds the packages' CommonJS files, which have no gradients,
 * and a bundler the modules that have: they are bundled into one file, so that there is one copy of the core.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Tf } from "../../src/backends/tfjs/runtime/tf.ts";

const root = new URL("../..", import.meta.url).pathname;
const require = createRequire(import.meta.url);

const ENTRY = `
  import * as core from "@tensorflow/tfjs-core";
  import * as converter from "@tensorflow/tfjs-converter";
  import "@tensorflow/tfjs-core/dist/register_all_gradients";
  import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";
  import "@tensorflow/tfjs-backend-cpu";
  import "@tensorflow/tfjs-backend-webgpu";
  import * as wasm from "@tensorflow/tfjs-backend-wasm";
  export const tf = { ...core, ...converter };
  export const setWasmPaths = wasm.setWasmPaths;
`;

/** The whole of TensorFlow.js: tests may use all of it. */
export type WholeTf = Tf & typeof import("@tensorflow/tfjs-core") & typeof import("@tensorflow/tfjs-converter");

let loaded: Promise<WholeTf> | undefined;

/** A folder with tfjs-node in it, set up by `tests/native/setup.sh`: tests run on that then, and on nothing else. */
export const nativeFolder: string | undefined = process.env["TFM_TFJS_NODE"];

/** TensorFlow.js with all backends that there are here, or tfjs-node where that was asked for; one copy a process. */
export function tensorflow(): Promise<WholeTf> {
  return (loaded ??= nativeFolder === undefined ? bundled() : Promise.resolve(native(nativeFolder)));
}

function native(folder: string): WholeTf {
  // Node 23 took it away, and tfjs-node 4.22 calls it.
  const util = require("node:util") as { isNullOrUndefined?: (value: unknown) => boolean };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  return createRequire(join(folder, "package.json"))("@tensorflow/tfjs-node") as WholeTf;
}

async function bundled(): Promise<WholeTf> {
  provideGpu();
  const folder = mkdtempSync(join(tmpdir(), "tfm-tfjs-"));
  try {
    const outfile = join(folder, "tfjs.cjs");
    await build({
      stdin: { contents: ENTRY, resolveDir: root },
      outfile,
      bundle: true,
      platform: "node",
      format: "cjs",
      mainFields: ["module", "main"],
      logLevel: "error",
    });
    const { tf, setWasmPaths } = require(outfile) as { tf: WholeTf; setWasmPaths(path: string): void };
    setWasmPaths(join(root, "node_modules/@tensorflow/tfjs-backend-wasm/dist/"));
    return tf;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Why webgpu cannot be tested here; undefined where it can (`vulkan.ts`). */
export const noGpu: string | undefined = process.env["VK_ICD_FILENAMES"]
  ? undefined
  : "there is no Vulkan driver here, not even in software";

/** Node has no `navigator.gpu`; the backend looks for it when it is imported. */
function provideGpu(): void {
  if (noGpu) return;
  const { create, globals } = require("webgpu") as { create(options: string[]): unknown; globals: object };
  Object.assign(globalThis, globals);
  const navigator = { ...(globalThis as { navigator?: object }).navigator, gpu: create([]) };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true, writable: true });
}
