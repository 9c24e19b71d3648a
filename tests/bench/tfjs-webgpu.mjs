/**
 * @file TensorFlow.js on webgpu in Node: how many programs a layer starts on the device, and what its executor takes of a node. The loader
 * of Vulkan is found by the environment that a process begins with, so this is measured in a process of its own: `onWebgpu` starts it.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { overheadOn } from "./tfjs.mjs";

const require = createRequire(import.meta.url);
const own = fileURLToPath(import.meta.url);
/** Of tiny sizes: launches do not depend on them. */
const SIZES = ["vocab=50", "hidden=32", "heads=4", "positions=16"];
const MODELS = [
  { name: "BERT", args: ["-m", "bert_base", ...settings([...SIZES, "intermediate=64"])], promised: 15 },
  { name: "GPT-2", args: ["-m", "gpt_2_small", ...settings(SIZES)] },
  {
    name: "Llama",
    args: ["-m", "llama_3_8b", ...settings(["vocab=50", "hidden=32", "heads=4", "kv_heads=2", "intermediate=64"])],
  },
];
const LAYERS = [1, 2];

function settings(all) {
  return all.flatMap((s) => ["-s", s]);
}

/**
 * @param {(args: string[]) => Promise<unknown>} tfm runs a command
 * @param {string} folder for what is compiled
 * @param {number} rounds
 * @returns {Promise<{ absent: string } | { adapter: string, launches: object[], overhead: object }>} `absent` says why nothing was
 *   measured; launches of a layer by model, with fused kernels and with plain ones; microseconds a node as `executorOverhead` gives them
 */
export async function onWebgpu(tfm, folder, rounds) {
  const driver = await environment();
  if (driver === undefined) return { absent: "there is no Vulkan driver here, not even in software" };
  const compiled = [];
  for (const { name, args, promised } of MODELS) {
    const folders = [];
    for (const layers of LAYERS) {
      const out = join(folder, `webgpu-${name}-${layers}`);
      await tfm(["compile", ...args, "-s", `layers=${layers}`, "-o", out, "-t", "tfjs"]);
      folders.push(out);
    }
    compiled.push({ name, promised, folders });
  }
  const child = spawn(process.execPath, [own, JSON.stringify({ compiled, rounds })], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...driver },
  });
  const text = { stdout: "", stderr: "" };
  for (const key of ["stdout", "stderr"]) child[key].on("data", (d) => (text[key] += d));
  const status = await new Promise((done) => child.on("close", done));
  if (status !== 0) throw new Error(`webgpu could not be measured:\n${text.stderr}`);
  return JSON.parse(text.stdout);
}

/** Where the tests find a driver. */
async function environment() {
  const source = readFileSync(new URL("../support/vulkan.ts", import.meta.url), "utf8");
  const { code } = await transform(source, { loader: "ts", format: "esm" });
  const { provideVulkan } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  provideVulkan();
  const { VK_ICD_FILENAMES, LD_LIBRARY_PATH } = process.env;
  return VK_ICD_FILENAMES ? { VK_ICD_FILENAMES, ...(LD_LIBRARY_PATH ? { LD_LIBRARY_PATH } : {}) } : undefined;
}

/** In the process of its own. */
async function measured({ compiled, rounds }) {
  const { create, globals } = require("webgpu");
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, "navigator", { value: { gpu: create([]) }, configurable: true });
  const tf = { ...require("@tensorflow/tfjs-core"), ...require("@tensorflow/tfjs-converter") };
  require("@tensorflow/tfjs-backend-webgpu");
  const { load } = await import("../../dist/tfjs.js");
  if (!(await tf.setBackend("webgpu"))) throw new Error("the backend webgpu of TensorFlow.js does not start");
  const { vendor, architecture } = tf.backend().adapterInfo ?? {};
  const launches = [];
  for (const { name, promised, folders } of compiled) {
    const counts = { fused: [], plain: [] };
    for (const folder of folders)
      for (const [kind, fuse] of [
        ["fused", true],
        ["plain", false],
      ]) {
        const model = await load(tf, folderOf(folder), { backends: ["webgpu"], fuse });
        counts[kind].push(await launchesOf(tf, model));
        model.dispose();
      }
    const ofLayer = ([one, two]) => two - one;
    launches.push({ name, promised, fused: ofLayer(counts.fused), plain: ofLayer(counts.plain) });
  }
  // Else the backend would add so few numbers without the device.
  tf.env().set("WEBGPU_CPU_FORWARD", false);
  const overhead = await overheadOn(tf, tf.loadGraphModel, "webgpu", rounds);
  return { adapter: [vendor, architecture].filter(Boolean).join(" "), launches, overhead };
}

function folderOf(folder) {
  return {
    name: folder,
    read: async (file) => {
      try {
        return new Uint8Array(readFileSync(join(folder, file))).buffer;
      } catch (e) {
        if (e.code === "ENOENT") return undefined;
        throw e;
      }
    },
  };
}

/** Programs that a run of eight places starts on the device. */
async function launchesOf(tf, model) {
  const backend = tf.backend();
  const { runWebGPUProgram } = backend;
  let count = 0;
  backend.runWebGPUProgram = (...args) => {
    count++;
    return runWebGPUProgram.apply(backend, args);
  };
  try {
    await model.run({ input_ids: { dims: [1, 8], data: [1, 2, 3, 4, 5, 6, 7, 8] } });
  } finally {
    backend.runWebGPUProgram = runWebGPUProgram;
  }
  return count;
}

if (process.argv[1] === own) {
  // The device keeps a process alive.
  process.stdout.write(JSON.stringify(await measured(JSON.parse(process.argv[2]))), () => process.exit(0));
}
