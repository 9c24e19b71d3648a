/** @file Programs for tests, through the same pipeline as the command line. */
import { checkAll, elaborate, type Elaborated, type SourceRequest } from "../../src/compile.ts";
import type { Diagnostic, Result } from "../../src/diagnostics/diagnostic.ts";
import { libraryModules, readLibrary } from "../../src/host/stdlib.ts";

export interface Options {
  readonly model?: string;
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly config?: SourceRequest["config"];
  /** Other files of the program, by the path that `use` gives. */
  readonly files?: Readonly<Record<string, string>>;
}

export function request(text: string | undefined, options: Options = {}): SourceRequest {
  return {
    library: { modules: libraryModules, read: readLibrary },
    ...(text === undefined ? {} : { main: { name: "program.tfm", text } }),
    uses: [],
    readModule: (path) => {
      const found = options.files?.[path];
      return found === undefined ? undefined : { name: path.replace("./", ""), text: found };
    },
    ...(options.model === undefined ? {} : { model: options.model }),
    settings: Object.entries(options.settings ?? {}).map(([name, v]) => ({ name, text: String(v) })),
    ...(options.config === undefined ? {} : { config: options.config }),
  };
}

/** One model: of the text, or of the library where there is none. */
export function elaborateText(text: string | undefined, options: Options = {}): Result<Elaborated> {
  return elaborate(request(text, options));
}

/** Everything that there is to say about a text: all its models, and what stands in none. */
export function diagnosticsOf(text: string, options: Options = {}): readonly Diagnostic[] {
  return checkAll(request(text, options)).diagnostics;
}
