/** @file The compiler behind the playground: a program and what is to be seen of it, to that. */
import { keeps } from "../../backends/onnx/targets.ts";
import { emitTfjs, type TfjsArtifact } from "../../backends/tfjs/emit.ts";
import { SHARD_BYTES } from "../../backends/tfjs/graph-def.ts";
import { tfjsKeeps } from "../../backends/tfjs/targets.ts";
import { parametersOf, totalElements } from "../../cli/measure.ts";
import { portsOf } from "../../cli/record.ts";
import { treeOf, treeRows } from "../../cli/tree.ts";
import { elaborate, modelsOf, prepare, type Elaborated, type Prepared, type SourceRequest } from "../../compile.ts";
import { hasErrors, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import { render } from "../../diagnostics/render.ts";
import { draw } from "../../draw/draw.ts";
import { concreteParams } from "../../ir/params.ts";
import { printGraph } from "../../ir/print.ts";
import { lineColumn } from "../../source/source.ts";
import { materializeWhole } from "../../weights/materialize.ts";
import type { WeightSource } from "../../weights/source.ts";
import { library } from "./library.ts";
import type { Answer, Question, Runnable } from "./protocol.ts";

const producer = { name: "tfm", version: "playground" };
/** More weights than this are not drawn for a run in a page. */
const MOST_ELEMENTS = 30e6;

/** Answers one question. Mistakes of the program are its `error`, as the command line words them. */
export async function answer(question: Question): Promise<Answer> {
  const request: SourceRequest = {
    library,
    main: { name: "playground.tfm", text: question.text },
    uses: [],
    readModule: () => undefined,
    settings: settingsOf(question.settings),
  };
  const models = modelsOf(request);
  const chosen = question.model !== undefined && models.includes(question.model) ? question.model : models[0];
  const about = { id: question.id, models, ...(chosen === undefined ? {} : { model: chosen }) };
  const { value, diagnostics } = elaborate(chosen === undefined ? request : { ...request, model: chosen });
  if (!value) return { ...about, error: worded(diagnostics) };
  return { ...about, ...(await seen(value, question)) };
}

async function seen(model: Elaborated, question: Question): Promise<Omit<Answer, "id" | "models">> {
  const { view, detail, types, dark } = question;
  switch (view) {
    case "figure":
      return { svg: await draw(model, { detail, types, theme: dark ? "dark" : "light" }) };
    case "parameters": {
      const parameters = parametersOf(model.graph);
      return {
        text: `${totalElements(parameters).toLocaleString("en")} parameters`,
        rows: treeRows(treeOf(parameters)),
      };
    }
    case "types":
      return {
        text: model.types
          .map(
            ({ span, text }) =>
              `${lineColumn(span.file, span.start).line}: ${lineOf(span.file.text, span.start, span.end)} : ${text}`,
          )
          .join("\n"),
      };
    case "graph":
      return whole(model, tfjsKeeps, (p) => printGraph(p.graph));
    case "onnx": {
      const { emitOnnx, printOnnx } = await import("./onnx.ts");
      return whole(model, keeps("onnx"), ({ graph }) => {
        const options = { target: "onnx", weights: drawn(model), dataFile: "model.onnx_data", producer } as const;
        return printOnnx(emitOnnx(graph, options).model);
      });
    }
    case "tfjs":
      return whole(model, tfjsKeeps, (p) => JSON.stringify(JSON.parse(artifactOf(model, p).model), undefined, 1));
    case "run":
      return runnable(model);
  }
}

function whole(
  model: Elaborated,
  keeps: Parameters<typeof prepare>[1]["keeps"],
  print: (prepared: Prepared) => string,
): { text: string } | { error: string } {
  const { value, diagnostics } = prepare(model, { optimize: true, keeps });
  if (!value || hasErrors(diagnostics)) return { error: worded(diagnostics) };
  return { text: value.map(print).join("\n\n") };
}

/** The model without a cache: one run, from inputs to outputs. */
function runnable(model: Elaborated): { run: Runnable } | { error: string } {
  const count = totalElements(parametersOf(model.graph));
  if (count > MOST_ELEMENTS)
    return {
      error: `its ${count.toLocaleString("en")} weights are too many to draw in a page: make the settings smaller, hidden=64 layers=2`,
    };
  const { value, diagnostics } = prepare(model, { cache: false, optimize: true, keeps: tfjsKeeps });
  const [prepared] = value ?? [];
  if (!prepared || hasErrors(diagnostics)) return { error: worded(diagnostics) };
  const artifact = artifactOf(model, prepared);
  const weights = drawn(model);
  const evaluate = (): never => {
    throw new Error("drawn weights are not computed");
  };
  const parts = artifact.planned.map(({ path, order, declared, part, factor }) =>
    materializeWhole(
      weights(path),
      { path, order, ...(declared ? { declared } : {}), part, factor, dtype: "F32" },
      { evaluate },
    ),
  );
  const bytes = new Uint8Array([...parts, artifact.constants].reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of [...parts, artifact.constants]) {
    bytes.set(part, at);
    at += part.length;
  }
  const shards = artifact.shards.map((name, i) => ({
    name,
    bytes: bytes.slice(i * SHARD_BYTES, (i + 1) * SHARD_BYTES).buffer,
  }));
  const record = JSON.stringify({ version: 1, ...portsOf(prepared, artifact.signature) });
  return { run: { model: artifact.model, record, shards } };
}

function artifactOf(model: Elaborated, { graph, name }: Prepared): TfjsArtifact {
  return emitTfjs(graph, { provider: "any", weights: drawn(model), storedAs: "float32", name, producer });
}

function drawn(model: Elaborated): (path: string) => WeightSource {
  const initials = new Map([...concreteParams(model.graph)].map(({ path, param }) => [path, param.initial]));
  return (path) => ({ kind: "initial", initial: initials.get(path)!, seed: 0 });
}

function settingsOf(text: string): SourceRequest["settings"] {
  return text
    .split(/\s+/)
    .filter((part) => part.includes("="))
    .map((part) => ({ name: part.slice(0, part.indexOf("=")), text: part.slice(part.indexOf("=") + 1) }));
}

function worded(diagnostics: readonly Diagnostic[]): string {
  return render(diagnostics, { color: false, width: 100 });
}

function lineOf(text: string, start: number, end: number): string {
  const piece = text.slice(start, end).replace(/\s+/g, " ");
  return piece.length > 60 ? `${piece.slice(0, 57)}...` : piece;
}
