/**
 * @file The figures that this project promises, measured on this machine: `npm run bench`, with `-- --json` as data, with
 * `-- --rounds N` of more or fewer rounds. Builds first; what it writes is in a temporary folder and goes.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundle } from "../../src/build.mjs";
import { inHugePages, machine } from "./machine.mjs";
import { steps } from "./decoding.mjs";
import { keyStrokes, longProgram } from "./keystroke.mjs";
import { rounds, tfm } from "./measure.mjs";
import { plot } from "./plot.mjs";
import { compare, graphIn, HOW, limitOf, parseCase, subfolders } from "./runtime.mjs";
import { writeCheckpoint } from "./synthetic.mjs";
import { onWebgpu } from "./tfjs-webgpu.mjs";
import { executorOverhead, tfjsLayer } from "./tfjs.mjs";

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    rounds: { type: "string", default: "5" },
    checkpoints: { type: "string" },
    peers: { type: "string" },
    cases: { type: "string" },
    seconds: { type: "string", default: "0.4" },
    plot: { type: "string" },
  },
});
const ROUNDS = Number(values.rounds);
/** What is compared where nothing else is asked for, of the models that there are. */
const CASES = [
  "bert-base/encode:128",
  "bert-base/encode:384",
  "minilm/encode:128",
  "minilm/encode:128:8",
  "llama-4l/prefill:128",
  "llama-4l/decode:512",
  "llama-4l/decode:1500",
  "llama-kv/decode:2000",
  "gpt2/decode:512",
  "t5-small/encode:128",
  "t5-small/decode:16",
];
/** What nothing can beat: see `limit.mjs`. */
const LIMIT = "its products alone";
const HUGE = "llama_3_1_405b";
const checkpoints = fileURLToPath(new URL("../checkpoints/", import.meta.url));
const results = [];

const hugePages = values.peers !== undefined && inHugePages();
await bundle();
const folder = mkdtempSync(join(tmpdir(), "tfm-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

say(
  `${machine()}\nnode ${process.version}${hugePages ? ", weights in huge pages" : ""}, median of ${ROUNDS} rounds (least to most)\n`,
);
const compared = [];
if (values.peers !== undefined && values.checkpoints !== undefined) await beside(values.peers, values.checkpoints);
else {
  await promises();
  say(`\n${HOW}`);
}
if (values.json)
  console.log(
    JSON.stringify(
      { machine: machine(), node: process.version, hugePages, rounds: ROUNDS, results, compared },
      undefined,
      2,
    ),
  );

/** What is promised of the compiler itself. */
async function promises() {
  for (const option of ["--version", "--help"])
    add(`tfm ${option}`, await rounds(ROUNDS, () => tfm([option])), "0.15 s");
  await texts(2000);
  await warm();
  await editor(2000);
  await decoding();
  await inTfjs();
  add(
    `${HUGE}, text to graph, as a command`,
    await rounds(ROUNDS, () => tfm(["compile", "-m", HUGE, "--emit", "graph"])),
    "1 s",
  );
  for (const [dtype, layers] of [
    ["BF16", 18],
    ["F32", 8],
  ])
    await synthetic(dtype, layers);
  for (const name of readdirSync(checkpoints).filter((n) => statSync(join(checkpoints, n)).isDirectory()))
    add(
      `compile ${name}`,
      await rounds(ROUNDS, (i) =>
        tfm(["compile", join(checkpoints, name), "-o", join(folder, "small", `${name}-${i}`)]),
      ),
      "0.7 s",
    );
}

/** Commands on programs: an example, and a program of so many lines. */
async function texts(lines) {
  const example = fileURLToPath(new URL("../../examples/language-model.tfm", import.meta.url));
  add("tfm check of an example", await rounds(ROUNDS, () => tfm(["check", example])), "0.4 s");
  const long = join(folder, "long.tfm");
  writeFileSync(long, longProgram(lines));
  add(`tfm fmt of ${lines} lines`, await rounds(ROUNDS, () => tfm(["fmt", long])), "0.3 s beyond the start");
}

/** A layer in TensorFlow.js, as compiled and as written by hand. */
async function inTfjs() {
  say(
    "\nA layer of BERT-base in TensorFlow.js on wasm: times faster than written plainly, than with its maps flattened by hand",
  );
  const range = ({ median, least, most }) => `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
  for (const r of await tfjsLayer(tfm, folder, ROUNDS)) {
    say(`    batch ${r.batch}, ${r.seq} places`.padEnd(32) + `${range(r.plain).padEnd(24)}${range(r.flat)}`);
    results.push({ what: `a layer in TensorFlow.js, batch ${r.batch}, ${r.seq} places`, ...r });
  }
  const gpu = await onWebgpu(tfm, folder, ROUNDS);
  const onGpu = gpu.absent === undefined ? [gpu.overhead] : [];
  say(
    "\nThe executor of TensorFlow.js, microseconds a node: a graph, the same as calls of the library, the difference",
  );
  for (const r of [...(await executorOverhead(ROUNDS)), ...onGpu]) {
    say(`    ${r.backend}`.padEnd(32) + [r.graph, r.calls, r.more].map((m) => range(m).padEnd(24)).join(""));
    results.push({ what: `a node in the executor of TensorFlow.js, ${r.backend}`, ...r });
  }
  if (gpu.absent !== undefined) return say(`\nwebgpu in TensorFlow.js is not measured: ${gpu.absent}`);
  say(`\nPrograms that a layer starts on webgpu (${gpu.adapter}): with fused kernels, with plain ones`);
  for (const { name, promised, fused, plain } of gpu.launches) {
    say(`    ${name}`.padEnd(32) + `${fused}, ${plain}${promised ? `; promised: at most ${promised}` : ""}`);
    results.push({ what: `programs of a layer on webgpu, ${name}`, fused, plain, ...(promised ? { promised } : {}) });
  }
}

/** Our graphs of these checkpoints beside those that others made: compiled here, timed and run. */
async function beside(peers, checkpoints) {
  const graphOf = async (model, { kind }, options) => {
    const out = join(folder, options.join(""), model);
    if (!existsSync(out)) await tfm(["compile", join(checkpoints, model), "-o", out, ...options]);
    return graphIn(out, kind);
  };
  const cases = values.cases?.split(",") ?? CASES.filter((c) => existsSync(join(peers, c.split("/")[0])));
  for (const model of new Set(cases.map((c) => c.split("/")[0]))) {
    const out = join(folder, "ours", model);
    const measured = await rounds(ROUNDS, () => tfm(["compile", join(checkpoints, model), "-o", out]));
    add(`compile ${model}`, measured, "1 s, 250 MB (300 MB from 1 GB of weights on)");
  }
  say(
    `\nRatios to the first, ${ROUNDS} rounds, 1 thread: median (least to most), processor time after wall time; nodes, transposes, reshapes`,
  );
  for (const name of cases) {
    const [model, text] = name.split("/");
    const size = parseCase(text);
    const others = subfolders(join(peers, model)).sort((a, b) =>
      a === "optimum" ? -1 : b === "optimum" ? 1 : a < b ? -1 : 1,
    );
    const graphs = others
      .map((label) => [label, graphIn(join(peers, model, label), size.kind)])
      .filter(([, path]) => path);
    const ours = graphIn(join(folder, "ours", model), size.kind);
    graphs.push(["tfm", ours], ["tfm -t onnx-17", await graphOf(model, size, ["-t", "onnx-17"])]);
    if (size.kind === "decode")
      graphs.push(["tfm --cache rows", await graphOf(model, size, ["--cache", "rows"]), /^present/]);
    graphs.push([LIMIT, await limitOf(ours, size)]);
    const { rows, failed } = await compare(graphs, size, { rounds: ROUNDS, seconds: Number(values.seconds) });
    compared.push({ name, rows });
    say(`\n${name}`);
    const range = ({ median, least, most }) => `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
    for (const r of rows)
      say(
        `    ${r.label.padEnd(20)}${r.ms.toFixed(2).padStart(9)} ms  ${range(r.ratio).padEnd(22)}${range(r.cpuRatio).padEnd(22)}${r.difference === undefined ? "".padEnd(18) : `differs by ${r.difference.toExponential(0)}`.padEnd(18)}${r.nodes}`,
      );
    for (const f of failed) say(`    ${f.label.padEnd(20)} ${f.failed}`);
  }
  const title = `Speed beside ${compared[0]?.rows[0]?.label ?? "the first"} (1.0), processor time, 1 thread; further right is faster`;
  if (values.plot !== undefined) writeFileSync(values.plot, plot(compared, { ours: "tfm", limit: LIMIT, title }));
}

/** In a process that has compiled something before: the library's own functions, without a command around them. */
async function warm() {
  const { elaborate, prepare, library } = await import("../../dist/index.js");
  const once = () => {
    const start = performance.now();
    const { value } = elaborate({ library, uses: [], settings: [], model: HUGE, readModule: () => undefined });
    const graph = prepare(value, { optimize: true, keeps: () => true }).value;
    if (!graph) throw new Error(`${HUGE} does not compile`);
    return { wall: (performance.now() - start) / 1000 };
  };
  once();
  add(`${HUGE}, text to graph, warm`, await rounds(ROUNDS, once), "0.3 s");
}

/** A step in Node with the new rows of the cache only, against one that fetches the whole present. */
async function decoding() {
  for (const { form, ms, ratio, cpuRatio } of await steps(folder, {
    forms: ["whole", "rows", "shared"],
    past: 1500,
    rounds: 2 * ROUNDS,
  })) {
    const range = ({ median, least, most }) => `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
    const what = `a step at a past of 1,500, --cache ${form}`;
    results.push({ what, ms, ratio, cpuRatio, ...(form === "rows" ? { promised: "0.45 of whole" } : {}) });
    say(
      `${what}\n    ${range(ms)} ms, ${range(ratio)} of whole, of its processor time ${range(cpuRatio)}${form === "rows" ? "; promised: 0.45" : ""}`,
    );
  }
}

/** From a key stroke in a long program to what is wrong with it, over the language server's pipes. */
async function editor(about) {
  const { lines, measured } = await keyStrokes(about, 2 * ROUNDS);
  for (const { what, times } of measured)
    add(
      `key stroke to diagnostics, ${lines} lines: ${what}`,
      await rounds(times.length, (i) => ({ wall: times[i] })),
      "0.05 s",
    );
}

/** A checkpoint of 8 GB that is a hole in the file system. */
async function synthetic(dtype, layers) {
  const source = join(folder, `synthetic-${dtype}`);
  const bytes = writeCheckpoint(source, dtype, layers);
  let written = 0;
  let linked = 0;
  const measured = await rounds(ROUNDS, async (i) => {
    const out = join(folder, `synthetic-${dtype}-out-${i}`);
    const result = await tfm(["compile", source, "-o", out]);
    [written, linked] = [0, 0];
    for (const name of readdirSync(out)) {
      const made = statSync(join(out, name));
      const stored = statSync(join(source, name), { throwIfNoEntry: false });
      if (stored && stored.ino === made.ino && stored.dev === made.dev) linked += made.size;
      else written += made.size;
    }
    rmSync(out, { recursive: true });
    return result;
  });
  if (linked < bytes) throw new Error(`${linked} of ${bytes} bytes are hard-linked`);
  add(
    `compile ${(bytes / 1e9).toFixed(2)} GB of ${dtype}: ${written} bytes written, the rest hard-linked`,
    measured,
    "3 s, 500 MB",
  );
}

/** Processor time is beside the wall's: other load on the machine moves it less. */
function add(what, { wall, cpu, peak }, promised) {
  results.push({ what, wall, ...(peak ? { cpu, peak } : {}), promised });
  const time = `${wall.median.toFixed(3)} s (${wall.least.toFixed(3)} to ${wall.most.toFixed(3)})`;
  say(
    `${what}\n    ${time}${peak ? `, ${cpu.median.toFixed(2)} s of processor, peak ${peak.median.toFixed(0)} MB (to ${peak.most.toFixed(0)})` : ""}; promised: ${promised}`,
  );
}

function say(text) {
  if (!values.json) console.log(text);
}
