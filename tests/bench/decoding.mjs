/**
 * @file A step of decoding as a client in Node takes it, cache and all, in each form of cache: all decoders in one process, rounds in
 * alternating order, ratios within a round.
 */
import { join } from "node:path";
import { tfm } from "./measure.mjs";

/** Four layers, of which the cache is the larger part: 25 MB of it at a past of 1,500, beside 29 MB of weights in the layers. */
const PROGRAM = `
model heavy_in_cache(vocab = 1000, hidden = 512, heads = 32, head_dim = 64, layers = 4) grows seq {
  input tokens as "input_ids": int[batch as "batch_size", seq as "sequence_length"]
  let words = new embed(vocab)
  output logits = words(tokens)
    -> layers: decoder x{layers} < gqa(8, rope()), rmsnorm, swiglu(512) >
    -> norm: rmsnorm
    -> head: linear(vocab, bias = false)
}`;

const CHUNK = 250;
const token = (i) => 5 + ((i * 37) % 900);

/** For each form the milliseconds of a step, wall and processor, and their ratios to the first form's. */
export async function steps(folder, { forms, past, rounds }) {
  const { openDecoder } = await import("../../dist/index.js");
  const runs = [];
  for (const form of forms) {
    const out = join(folder, `decoding-${form}`);
    await tfm(["compile", "-e", PROGRAM, "--cache", form, "-o", out]);
    const { value: decoder, diagnostics } = await openDecoder(out, { threads: 1 });
    if (!decoder) throw new Error(diagnostics.map((d) => d.message).join("; "));
    for (let at = 0; at < past; at += CHUNK)
      await decoder.step([Array.from({ length: Math.min(CHUNK, past - at) }, (_, i) => token(at + i))]);
    runs.push({ form, decoder, wall: [], cpu: [] });
  }
  for (let round = 0; round < rounds; round++)
    for (const run of round % 2 === 0 ? runs : [...runs].reverse()) {
      const cpu = process.cpuUsage();
      const start = performance.now();
      for (let i = 0; i < 5; i++) await run.decoder.step([[token(past + 5 * round + i)]]);
      run.wall.push((performance.now() - start) / 5);
      const { user, system } = process.cpuUsage(cpu);
      run.cpu.push((user + system) / 5000);
    }
  for (const { decoder } of runs) await decoder.close();
  const [base] = runs;
  const spread = (all) => {
    const sorted = [...all].sort((a, b) => a - b);
    return { median: sorted[Math.floor(sorted.length / 2)], least: sorted[0], most: sorted.at(-1) };
  };
  return runs.map(({ form, wall, cpu }) => ({
    form,
    ms: spread(wall),
    ratio: spread(wall.map((x, i) => x / base.wall[i])),
    cpuRatio: spread(cpu.map((x, i) => x / base.cpu[i])),
  }));
}
