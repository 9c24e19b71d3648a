/** @file Compiling a program to the files of a model in memory. `web.ts` loads this when something is compiled. */
import { emitOnnx } from "../backends/onnx/emit.ts";
import { keeps } from "../backends/onnx/targets.ts";
import { elaborate, prepare, type Library, type SourceRequest } from "../compile.ts";
import { hasErrors } from "../diagnostics/diagnostic.ts";
import { concreteParams } from "../ir/params.ts";
import { restoreSyntax } from "../syntax/stored.ts";
import { materialize } from "../weights/materialize.ts";
import type { WeightSource } from "../weights/source.ts";
import { TfmError } from "./error.ts";

/** `tfm-lang/stdlib.json`: modules with their texts, parsed. */
export type StoredLibrary = Readonly<Record<string, { readonly text: string; readonly syntax: unknown }>>;

/** The library from `tfm-lang/stdlib.json`: modules with their texts, parsed. */
export function libraryOf(
  json: Readonly<Record<string, { readonly text: string; readonly syntax: unknown }>>,
): Library {
  return {
    modules: () => Object.keys(json).sort(),
    read: (name) => {
      const found = Object.hasOwn(json, name) ? json[name] : undefined;
      const path = name.replace(/^std\./, "").replaceAll(".", "/");
      return found && { name: `std/${path}.tfm`, text: found.text, library: true };
    },
    // What is restored becomes the compiler's own.
    parsed: (file, name) =>
      Object.hasOwn(json, name) ? restoreSyntax(structuredClone(json[name]!.syntax), file) : undefined,
  };
}

export interface CompileOptions extends Partial<Pick<SourceRequest, "model" | "objective">> {
  /** What `tfm-lang/stdlib.json` holds. */
  readonly library: StoredLibrary;
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Of the drawn weights; default 0. */
  readonly seed?: number;
  /** With past and present; default: where the model generates. */
  readonly cache?: boolean;
}

export function compileInMemory(source: string, options: CompileOptions): ReadonlyMap<string, Uint8Array> {
  const { library, settings = {}, seed = 0, cache, model, objective } = options;
  const { value: elaborated, diagnostics } = elaborate({
    library: libraryOf(library),
    main: { name: "program.tfm", text: source },
    uses: [],
    readModule: () => undefined,
    settings: Object.entries(settings).map(([name, value]) => ({ name, text: String(value) })),
    ...(model === undefined ? {} : { model }),
    ...(objective === undefined ? {} : { objective }),
  });
  if (!elaborated || hasErrors(diagnostics)) throw new TfmError(diagnostics);
  const prepared = prepare(elaborated, {
    ...(cache === undefined ? {} : { cache }),
    optimize: true,
    keeps: keeps("onnx"),
  });
  if (!prepared.value) throw new TfmError(prepared.diagnostics);
  const initials = new Map([...concreteParams(elaborated.graph)].map(({ path, param }) => [path, param.initial]));
  const weights = (path: string): WeightSource => ({ kind: "initial", initial: initials.get(path)!, seed });
  const files = new Map<string, Uint8Array>();
  for (const { name, graph } of prepared.value) {
    const dataFile = `${name}.onnx_data`;
    const made = emitOnnx(graph, { target: "onnx", weights, dataFile, producer: { name: "tfm", version: "" } });
    files.set(`${name}.onnx`, made.model);
    const length = made.planned.reduce((end, p) => Math.max(end, p.offset + p.length), 0);
    if (length === 0) continue;
    const bytes = new Uint8Array(length);
    for (const { path, order, declared, dtype, offset } of made.planned) {
      let at = offset;
      const wanted = { path, order, ...(declared ? { declared } : {}), dtype };
      for (const piece of materialize(weights(path), wanted, { evaluate: unread })) {
        bytes.set(piece, at);
        at += piece.length;
      }
    }
    files.set(dataFile, bytes);
  }
  return files;
}

/** Drawn weights are computed from nothing stored. */
function unread(): never {
  throw new Error("a drawn weight reads stored ones");
}
