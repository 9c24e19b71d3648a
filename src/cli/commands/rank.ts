/** @file `tfm rank`: the rank of a model's attention matrices at one text. */
import { elaborate } from "../../compile.ts";
import { plotRanks } from "../../equivalence/rank-plot.ts";
import { attentionRanks, type HeadRank } from "../../equivalence/rank.ts";
import { randomOf } from "../../equivalence/law.ts";
import { replaceFile } from "../../host/replace.ts";
import { concreteParams } from "../../ir/params.ts";
import { tableBounds } from "../../ir/tables.ts";
import type { Graph } from "../../ir/graph.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { parameterReader } from "../parameters.ts";
import { fail, say, sayJson, usage, type JsonOption } from "../report.ts";
import { isMask, sampleInputs, sampleSizes } from "../sample.ts";
import { resolveSource, type SourceOptions } from "../source.ts";
import { weightsOf } from "../weights.ts";

interface RankOptions extends SourceOptions, JsonOption {
  readonly weights?: string;
  readonly tokens?: string;
  readonly places: number;
  readonly seed: number;
  readonly out?: string;
}

export async function rank(io: Io, path: string | undefined, options: RankOptions): Promise<ExitCode> {
  const resolved = resolveSource(path, options);
  if ("usage" in resolved) return usage(io, resolved.usage);
  if ("diagnostics" in resolved) return fail(io, options, resolved.diagnostics);
  const { source } = resolved;
  const { value: model, diagnostics } = elaborate(source.request);
  if (!model) return fail(io, options, diagnostics);
  const open = [...concreteParams(model.graph)]
    .flatMap(({ param }) => param.value.type.axes)
    .find((a) => a.size.known === undefined);
  if (open) return usage(io, `the size of ${open.name} is open: weights need numbers, as in \`-s hidden=8\``);
  const filled = weightsOf(model, options.weights ?? source.folder, options.seed);
  if (!filled.value) return fail(io, options, [...diagnostics, ...filled.diagnostics]);
  try {
    const tokens = options.tokens?.split(",").map(Number);
    if (tokens?.some((t) => !Number.isSafeInteger(t) || t < 0) || tokens?.length === 1)
      return usage(io, `--tokens takes two whole numbers or more, with commas between them: ${options.tokens}`);
    const fed = feed(model.graph, model.inputDefaults, tokens, options);
    if (typeof fed === "string") return usage(io, fed);
    const ranks = attentionRanks(model.graph, { ...fed, param: parameterReader(model.graph, filled.value) });
    if (ranks.length === 0) return usage(io, `${source.name} has no softmax over a square matrix`);
    const how = tokens ? `${tokens.length} tokens` : `${options.places} drawn tokens, seed ${options.seed}`;
    const unwritten =
      options.out === undefined
        ? []
        : replaceFile(options.out, plotRanks(ranks, `${source.name}: attention at ${how}`));
    if (unwritten.length > 0) return fail(io, options, [...diagnostics, ...unwritten]);
    if (options.json) sayJson(io, diagnostics, { seed: options.seed, matrices: ranks });
    else {
      say(io, diagnostics);
      io.out(`${linesOf(ranks).join("\n")}\n${how}\n`);
    }
    return Exit.ok;
  } finally {
    filled.value.checkpoint?.close();
  }
}

/** One row of tokens, drawn where none are given; nothing is padded. */
function feed(
  graph: Graph,
  inputDefaults: ReadonlyMap<string, never> | Parameters<typeof isMask>[1],
  tokens: readonly number[] | undefined,
  { places, seed }: RankOptions,
) {
  const length = tokens?.length ?? places;
  const sizes = new Map([...sampleSizes(graph, length, 0)].map(([n, s]) => [n, s]));
  const symbols = graph.inputs.flatMap((i) => i.value.type.axes.map((a) => [...a.size.symbols][0]));
  for (const [i, symbol] of symbols.entries()) if (symbol !== undefined) sizes.set(symbol, i === 0 ? 1 : length);
  if (symbols[0] !== undefined) sizes.set(symbols[0], 1);
  const bounds = tableBounds(graph);
  const inputs = sampleInputs({ graph: graph as never, inputDefaults }, sizes);
  const random = randomOf(seed, "tokens");
  let first = true;
  for (const input of graph.inputs) {
    const t = inputs.get(input.name)!;
    if (isMask(input, inputDefaults)) inputs.set(input.name, { ...t, data: Float64Array.from(t.data, () => 1) });
    else if (t.dtype === "int" && inputDefaults.get(input.outside ?? input.name) === undefined && first) {
      first = false;
      const rows = bounds.get(input.value.id)?.evaluate(sizes) ?? 2;
      const wrong = tokens?.find((x) => x >= rows);
      if (wrong !== undefined) return `the model has ${rows} tokens, and --tokens gives ${wrong}`;
      inputs.set(input.name, {
        ...t,
        data: Float64Array.from(t.data, (_x, i) => tokens?.[i] ?? Math.floor(random() * rows)),
      });
    } else if (t.dtype === "int" && inputDefaults.get(input.outside ?? input.name) === 0)
      inputs.set(input.name, { ...t, data: Float64Array.from(t.data, () => 0) });
  }
  return { inputs, sizes };
}

function linesOf(ranks: readonly HeadRank[]): readonly string[] {
  const layers = [...new Set(ranks.map((r) => r.layer))];
  return layers.map((layer) => {
    const heads = ranks.filter((r) => r.layer === layer);
    const n = heads[0]!.size;
    const range = (xs: readonly number[]): string => {
      const [low, high] = [Math.min(...xs), Math.max(...xs)];
      return low === high ? String(low) : `${low} to ${high}`;
    };
    const triangular = heads.every((h) => h.smallestDiagonal !== undefined);
    const diagonal = Math.min(...heads.map((h) => h.smallestDiagonal ?? 0));
    const last = Math.min(...heads.map((h) => h.singular.at(-1)! / h.singular[0]!));
    return `${layer === "" ? "attention" : layer}  ${heads.length} matrices of ${n} x ${n}: rank ${range(heads.map((h) => h.rank))}${heads.some((h) => h.told < h.rank) ? ` (float64 tells ${range(heads.map((h) => h.told))})` : ""}, above 1 % ${range(heads.map((h) => h.effective))}, smallest singular value ${last.toExponential(1)} of the largest; ${triangular ? `lower triangular, diagonal from ${diagonal.toExponential(1)}` : "not triangular"}`;
  });
}
