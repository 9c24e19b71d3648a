/** @file `tfm draw`: a figure of a model, as a paper would draw it. */
import { elaborate } from "../../compile.ts";
import { draw as drawModel, type Theme } from "../../draw/draw.ts";
import { replaceFile } from "../../host/replace.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { fail, say, sayJson, usage, type JsonOption } from "../report.ts";
import { resolveSource, type SourceOptions } from "../source.ts";
import { bytes } from "../text.ts";

export interface DrawCommandOptions extends SourceOptions, JsonOption {
  readonly out?: string;
  readonly detail?: boolean;
  readonly types?: boolean;
  readonly theme: Theme;
}

export async function draw(io: Io, path: string | undefined, options: DrawCommandOptions): Promise<ExitCode> {
  const resolved = resolveSource(path, options);
  if ("usage" in resolved) return usage(io, resolved.usage);
  if ("diagnostics" in resolved) return fail(io, options, resolved.diagnostics);
  const { value: model, diagnostics } = elaborate(resolved.source.request);
  if (!model) return fail(io, options, diagnostics);
  const { out, detail = false, types = false, theme } = options;
  const svg = await drawModel(model, { detail, types, theme });
  const unwritten = out === undefined ? [] : replaceFile(out, svg);
  if (unwritten.length > 0) return fail(io, options, [...diagnostics, ...unwritten]);
  if (options.json) {
    sayJson(io, diagnostics, out === undefined ? { svg } : { file: out });
    return Exit.ok;
  }
  say(io, diagnostics);
  if (out === undefined) io.out(svg);
  else io.err(`wrote ${out} (${bytes(Buffer.byteLength(svg))})\n`);
  return Exit.ok;
}
