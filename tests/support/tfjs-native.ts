/**
 * @file TensorFlow.js on libtensorflow (tfjs-node or tfjs-node-gpu): from the folder in whose `node_modules` the environment's
 * `TFM_TFJS_NODE` says it is, else from this project's.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import type { WholeTf } from "./tfjs.ts";

let found: WholeTf | undefined;
let reason: string | undefined = "@tensorflow/tfjs-node is not installed";
// Quiet, and the same numbers on any number of threads.
process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "1";
const folder = process.env["TFM_TFJS_NODE"];
const require = createRequire(folder === undefined ? import.meta.url : join(folder, "package.json"));
const util = require("util") as { isNullOrUndefined?: (v: unknown) => boolean };
util.isNullOrUndefined ??= (v) => v === null || v === undefined;
for (const name of ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"]) {
  if (found) break;
  try {
    found = require(name) as WholeTf;
    reason = undefined;
  } catch (e) {
    if ((e as { code?: string }).code !== "MODULE_NOT_FOUND") reason = e instanceof Error ? e.message : String(e);
  }
}

export const nativeTfjs: WholeTf | undefined = found;
/** Why it cannot be tested; undefined where it can. */
export const noNative: string | undefined = reason;
