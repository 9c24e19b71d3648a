/** @file Runs the built command and measures it: wall time, processor time, peak memory of the child as it knows it itself. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { usersEnvironment } from "./machine.mjs";

const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const footer =
  "data:text/javascript," +
  encodeURIComponent(`
  import { writeSync } from "node:fs";
  process.on("exit", () => writeSync(3, JSON.stringify({ ...process.resourceUsage() })));
`);

/** @returns {{ wall: number, cpu: number, peak: number, stdout: string }} seconds and megabytes; throws where the command fails */
export async function tfm(args) {
  const start = process.hrtime.bigint();
  const child = spawn(process.execPath, ["--import", footer, cli, ...args], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: { ...usersEnvironment(), NO_COLOR: "1" },
  });
  const text = ["", "", "", ""];
  for (const fd of [1, 2, 3]) child.stdio[fd].on("data", (d) => (text[fd] += d));
  const status = await new Promise((done) => child.on("close", done));
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  if (status !== 0) throw new Error(`tfm ${args.join(" ")} ended with ${status}:\n${text[2]}`);
  const usage = JSON.parse(text[3]);
  return { wall, cpu: (usage.userCPUTime + usage.systemCPUTime) / 1e6, peak: usage.maxRSS / 1000, stdout: text[1] };
}

/** Medians, and the least and greatest, of several rounds of a measurement. */
export async function rounds(count, measure) {
  const all = [];
  for (let i = 0; i < count; i++) all.push(await measure(i));
  const of = (key) => all.map((m) => m[key]).sort((a, b) => a - b);
  const spread = (key) => ({ median: of(key)[Math.floor(count / 2)], least: of(key)[0], most: of(key).at(-1) });
  return { wall: spread("wall"), ...(all[0].peak === undefined ? {} : { cpu: spread("cpu"), peak: spread("peak") }) };
}
