/** @file `tfm info`: a model's settings, its parameters by block, and what a token costs in operations and memory. */
import picocolors from "picocolors";
import { elaborate, prepare, type Elaborated } from "../../compile.ts";
import { pastSymbol } from "../../passes/cache.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { keptPerToken, operationsPerToken, parametersOf, tokenAxes, totalElements, type PerToken } from "../measure.ts";
import { fail, say, sayJson, usage, type JsonOption } from "../report.ts";
import { inputsOf, outputsOf, signatureRows } from "../signature.ts";
import { resolveSource, type SourceOptions } from "../source.ts";
import { bytes, grouped, short, table } from "../text.ts";
import { treeOf, treeRows, type Block } from "../tree.ts";

/** Bytes of one element. */
const DTYPES: readonly (readonly [string, number])[] = [
  ["float32", 4],
  ["float16", 2],
  ["bfloat16", 2],
];

interface Facts {
  readonly parameters: number;
  readonly blocks: readonly Block[];
  readonly operations: PerToken;
  /** Elements kept for each token; undefined where nothing is. */
  readonly kept: number | undefined;
}

export async function info(io: Io, path: string | undefined, options: SourceOptions & JsonOption): Promise<ExitCode> {
  const resolved = resolveSource(path, options);
  if ("usage" in resolved) return usage(io, resolved.usage);
  if ("diagnostics" in resolved) return fail(io, options, resolved.diagnostics);
  const { value: model, diagnostics } = elaborate(resolved.source.request);
  if (!model) return fail(io, options, diagnostics);
  const facts = factsOf(model);
  if (options.json) sayJson(io, diagnostics, asJson(model, facts));
  else {
    say(io, diagnostics);
    io.out(asText(model, facts, io));
  }
  return Exit.ok;
}

function factsOf(model: Elaborated): Facts {
  const parameters = parametersOf(model.graph);
  const { grows } = model.graph;
  const cached = grows === undefined ? undefined : prepare(model, { optimize: false, keeps: () => true }).value?.at(-1);
  const kept = grows !== undefined && cached ? keptPerToken(cached.graph, pastSymbol(grows)) : undefined;
  return {
    parameters: totalElements(parameters),
    blocks: treeOf(parameters),
    operations: operationsPerToken(model.graph, tokenAxes(model.graph)),
    kept: kept === 0 ? undefined : kept,
  };
}

function asText(model: Elaborated, facts: Facts, io: Io): string {
  const c = picocolors.createColors(io.color.out);
  const { operations, kept } = facts;
  const heading = (text: string): string => `\n${c.bold(text)}\n`;
  const flops = `${short(operations.fixed)}${operations.perContextToken === 0 ? "" : ` + ${short(operations.perContextToken)} for each token of the sequence`}`;
  const memory = [
    ["", "weights", ...(kept === undefined ? [] : ["cache per token"])],
    ...DTYPES.map(([name, size]) => [
      name,
      bytes(facts.parameters * size),
      ...(kept === undefined ? [] : [bytes(kept * size)]),
    ]),
  ];
  return [
    `${c.bold(model.model)}${model.doc === "" ? "" : c.dim(`  ${model.doc.split("\n")[0]}`)}\n`,
    model.settings.length === 0
      ? ""
      : heading("Settings") +
        table(
          model.settings.map((s) => [s.name, s.text]),
          "  ",
        ),
    heading("Inputs and outputs"),
    table(signatureRows(model), "  "),
    heading("Parameters"),
    table([...treeRows(facts.blocks), ["total", "", grouped(facts.parameters)]], "  "),
    heading("Cost"),
    table([["FLOPs per token, forward", flops]], "  "),
    heading("Memory"),
    table(memory, "  "),
  ].join("");
}

function asJson(model: Elaborated, facts: Facts): object {
  const { operations, kept } = facts;
  return {
    model: model.model,
    doc: model.doc,
    settings: Object.fromEntries(model.settings.map((s) => [s.name, s.text])),
    inputs: inputsOf(model),
    outputs: outputsOf(model),
    parameters: facts.parameters,
    blocks: facts.blocks,
    flopsPerToken: operations,
    memory: Object.fromEntries(
      DTYPES.map(([name, size]) => [name, { weights: facts.parameters * size, cachePerToken: (kept ?? 0) * size }]),
    ),
  };
}
