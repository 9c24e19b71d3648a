/**
 * @file Run time of our graphs beside those of other exporters, of the same checkpoints: all sessions in one process, rounds in
 * alternating order, ratios within a round. Processor time is beside the wall's, since other load on the machine moves it less.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import onnxProto from "onnx-proto";
import * as ort from "onnxruntime-node";
import { LIMIT_FILE, writeLimit } from "./limit.mjs";

export const HOW = `Run times are measured beside graphs of other exporters, where there are some:
    npm run bench -- --checkpoints CHECKPOINTS --peers GRAPHS [--cases bert-base/encode:128,gpt2/decode:512] [--plot FILE.svg]
CHECKPOINTS/MODEL is a checkpoint folder, GRAPHS/MODEL/EXPORTER what that exporter made of it, for instance
    optimum-cli export onnx --model CHECKPOINTS/MODEL GRAPHS/MODEL/optimum
A case is encode:LENGTH[:BATCH], prefill:LENGTH or decode:PAST; of an encoder-decoder encode is its encoder, decode a step of its decoder.`;

/** The graph of a folder that a case runs: of several decoders the one that takes a past. */
export function graphIn(folder, kind) {
  const folders = [folder, join(folder, "onnx"), join(folder, "encoder"), join(folder, "decoder")].filter((f) =>
    existsSync(f),
  );
  const files = folders.flatMap((f) =>
    readdirSync(f)
      .filter((n) => n.endsWith(".onnx") && n !== LIMIT_FILE)
      .map((n) => join(f, n)),
  );
  const named = (part) => files.filter((f) => f.slice(folder.length).includes(part));
  const decoders = named("decoder");
  const wanted = decoders.length === 0 ? files : kind === "encode" ? named("encoder") : decoders;
  const rank = (f) => (f.includes("with_past") ? 2 : 0) + (f.includes("merged") ? 1 : 0);
  return wanted.sort((a, b) => rank(b) - rank(a))[0];
}

export function parseCase(text) {
  const [kind, length, batch = "1"] = text.split(":");
  const n = Number(length);
  if (!["encode", "prefill", "decode"].includes(kind) || !Number.isSafeInteger(n)) throw new Error(`no case: ${text}`);
  return kind === "decode"
    ? { kind, batch: 1, seq: 1, past: n, source: 128 }
    : { kind, batch: Number(batch), seq: n, past: 0, source: n };
}

/** How many nodes a graph has as it was written, how many of them only move numbers. */
function nodesOf(path) {
  const count = { all: 0, Transpose: 0, Reshape: 0 };
  const visit = ({ node }) => {
    for (const { opType, attribute } of node) {
      count.all++;
      if (opType in count) count[opType]++;
      for (const { g } of attribute) if (g) visit(g);
    }
  };
  visit(onnxProto.onnx.ModelProto.decode(readFileSync(path)).graph);
  return `${count.all} / ${count.Transpose} / ${count.Reshape}`;
}

/** The graph of this one's products with weights alone, for a case: what nothing can beat. */
export async function limitOf(path, size) {
  const session = await ort.InferenceSession.create(path, { graphOptimizationLevel: "disabled" });
  const feeds = feedsOf(session, size);
  await session.release();
  return writeLimit(path, feeds);
}

/**
 * Opens each graph, runs all in turn, and gives a row for each: medians of the rounds, ratios to the first. A graph is a label, a
 * path, and which outputs are fetched beside the scores: of the others' caches none, which spares them a copy.
 */
export async function compare(graphs, size, { rounds, seconds }) {
  const runs = [];
  for (const [label, path, also] of graphs)
    try {
      runs.push({ label, ...(await open(path, size, also)), nodes: nodesOf(path), wall: [], cpu: [] });
    } catch (error) {
      runs.push({ label, failed: String(error.message).split("\n")[0].slice(0, 160) });
    }
  const able = runs.filter((r) => !r.failed);
  for (let i = 0; i < rounds; i++)
    for (const r of i % 2 === 0 ? able : [...able].reverse()) {
      const { wall, cpu } = await timed(r.run, seconds);
      r.wall.push(wall);
      r.cpu.push(cpu);
    }
  const [base] = able;
  const rows = able.map((r) => {
    const ratios = (key) => r[key].map((x, i) => base[key][i] / x).sort((a, b) => a - b);
    const spread = (all) => ({ median: median(all), least: all[0], most: all.at(-1) });
    return {
      label: r.label,
      ms: median(r.wall),
      ratio: spread(ratios("wall")),
      cpuRatio: spread(ratios("cpu")),
      difference: differenceOf(r.answer, base.answer),
      nodes: r.nodes,
    };
  });
  for (const r of able) await r.session.release();
  return { rows, failed: runs.filter((r) => r.failed) };
}

async function open(path, size, also = /^$/) {
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const feeds = feedsOf(session, size);
  const main = session.outputNames.find((n) => /logits|last_hidden_state/.test(n)) ?? session.outputNames[0];
  const fetched = [main, ...session.outputNames.filter((n) => n !== main && also.test(n))];
  const run = () => session.run(feeds, fetched);
  const answer = (await run())[main];
  await run();
  return { session, run, answer };
}

function feedsOf(session, size) {
  return Object.fromEntries(session.inputMetadata.map((m) => [m.name, feedOf(m, size)]));
}

/** An input by its name, as exporters call them. The same for all graphs of a case. */
function feedOf({ name, type, shape }, { batch, seq, past, source }) {
  const state = /past/.test(name) && shape.length === 4;
  const dims = shape.map((d, i) => {
    if (typeof d === "number" && d >= 0) return d;
    if (i === 0) return /use_cache/.test(name) ? 1 : batch;
    if (state) return /encoder|cross/.test(name) ? source : past;
    if (/^encoder_/.test(name)) return source;
    return /mask/.test(name) ? past + seq : seq;
  });
  const length = dims.reduce((n, d) => n * d, 1);
  const of = (value) => Array.from({ length }, (_, i) => value(i));
  if (type === "bool")
    return new ort.Tensor(
      "bool",
      of(() => true),
      dims,
    );
  if (type === "float32") return new ort.Tensor("float32", Float32Array.from(of(seeded(name))), dims);
  if (type !== "int64") throw new Error(`no value known for the input ${name} (${type})`);
  const last = dims.at(-1) ?? 1;
  const ids = seeded("ids");
  const value = /mask/.test(name)
    ? () => 1
    : /past_length/.test(name)
      ? () => past
      : /position/.test(name)
        ? (i) => past + (i % last)
        : /type/.test(name)
          ? (i) => Number(i % last >= last / 2)
          : (i) => 3 + Math.floor((ids(i) + 0.5) * 1000);
  return new ort.Tensor("int64", BigInt64Array.from(of(value), BigInt), dims);
}

/** Numbers from -0.5 to 0.5 that are the same for a name in every graph, whichever exporter's names it has. */
function seeded(name) {
  let state = [...name.replace(/^.*?(\d+)\D*?(key|value)?$/, "$1$2")].reduce(
    (h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619),
    2166136261,
  );
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
}

/** Milliseconds of one run: the median of those in this time, and the processor's mean. */
async function timed(run, seconds) {
  const walls = [];
  const cpu = process.cpuUsage();
  const end = performance.now() + seconds * 1000;
  do {
    const start = performance.now();
    await run();
    walls.push(performance.now() - start);
  } while (performance.now() < end);
  const { user, system } = process.cpuUsage(cpu);
  return { wall: median(walls), cpu: (user + system) / 1000 / walls.length };
}

function median(all) {
  return [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
}

/** The largest difference of two answers, relative to the largest number; undefined where they have not one shape. */
function differenceOf(a, b) {
  if (a.data.length !== b.data.length) return undefined;
  let [worst, largest] = [0, 0];
  for (let i = 0; i < a.data.length; i++) {
    worst = Math.max(worst, Math.abs(a.data[i] - b.data[i]));
    largest = Math.max(largest, Math.abs(b.data[i]));
  }
  return worst / largest;
}

export function subfolders(folder) {
  return readdirSync(folder).filter((n) => statSync(join(folder, n)).isDirectory());
}
