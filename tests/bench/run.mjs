/**
 * @file The figures that this project promises, measured on this machine: `npm run bench`, with `-- --json` as data, with
 * `-- --rounds N` of more or fewer rounds. Builds first; what it writes is in a temporary folder and goes.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundle } from "../../src/build.mjs";
import { rounds, tfm } from "./measure.mjs";
import { writeCheckpoint } from "./synthetic.mjs";

const { values } = parseArgs({ options: { json: { type: "boolean" }, rounds: { type: "string", default: "5" } } });
const ROUNDS = Number(values.rounds);
const HUGE = "llama_3_1_405b";
const checkpoints = fileURLToPath(new URL("../checkpoints/", import.meta.url));
const results = [];

await bundle();
const folder = mkdtempSync(join(tmpdir(), "tfm-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

say(`${machine()}\nnode ${process.version}, median of ${ROUNDS} rounds (least to most)\n`);
for (const option of ["--version", "--help"]) add(`tfm ${option}`, await rounds(ROUNDS, () => tfm([option])), "0.15 s");
await warm();
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
    await rounds(ROUNDS, (i) => tfm(["compile", join(checkpoints, name), "-o", join(folder, "small", `${name}-${i}`)])),
    "0.7 s",
  );
if (values.json)
  console.log(JSON.stringify({ machine: machine(), node: process.version, rounds: ROUNDS, results }, undefined, 2));

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

function machine() {
  const flags =
    readable("/proc/cpuinfo")
      .match(/^flags\s*:(.*)$/m)?.[1]
      ?.split(" ") ?? [];
  const simd = ["avx2", "avx512f", "avx512_vnni", "amx_int8"].filter((f) => flags.includes(f));
  return `${cpus().length} x ${cpus()[0].model}${simd.length > 0 ? ` (${simd.join(", ")})` : ""}, ${Math.round(totalmem() / 1e9)} GB, ${process.platform}-${process.arch}`;
}

function readable(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
