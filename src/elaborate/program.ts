/** @file A program: its modules, what each declares, and what each can see. */
import { Reporter } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { SourceFile } from "../source/source.ts";
import type * as ast from "../syntax/ast.ts";
import { parse } from "../syntax/parse.ts";

export type Named = ast.Model | ast.Block | ast.Op;

export interface Module {
  readonly name: string;
  readonly file: SourceFile;
  readonly syntax: ast.File;
  readonly own: ReadonlyMap<string, Named>;
  /** Modules named by `use`, each with its declaration. */
  readonly uses: { readonly use: ast.Use; readonly module: Module }[];
  readonly checkpoints: readonly ast.Checkpoint[];
  /** True of modules whose declarations every other module sees. */
  readonly everywhere: boolean;
}

export interface Library {
  modules(): readonly string[];
  read(name: string): SourceFile | undefined;
  /** The syntax of a module parsed beforehand (by the build); undefined where it must be parsed now. */
  parsed?(file: SourceFile, name: string): ast.File | undefined;
}

export interface Found {
  readonly decl: Named;
  readonly module: Module;
}

/** Modules of the library under this name are not seen unless used: a family's names are many. */
const FAMILIES = "std.families.";
/** Under these names: read only when asked for, and not seen unless used. */
const ASIDE = [FAMILIES, "std.laws."];
const isAside = (name: string): boolean => ASIDE.some((start) => name.startsWith(start));

/** Parsed library modules, by their text: the library does not change while a program runs. */
const parsedLibrary = new Map<string, { text: string; syntax: ast.File }>();

export class Program {
  readonly modules = new Map<string, Module>();
  private readonly prelude: Module[] = [];
  private readonly loading: string[] = [];

  constructor(
    readonly library: Library,
    private readonly readModule: (path: string, from: SourceFile) => SourceFile | undefined,
    private readonly reporter: Reporter,
  ) {
    for (const name of library.modules()) if (!isAside(name)) this.loadLibrary(name);
  }

  /** Names of the library's family modules. */
  families(): readonly string[] {
    return this.library.modules().filter((name) => name.startsWith(FAMILIES));
  }

  loadLibrary(name: string): Module | undefined {
    const known = this.modules.get(name);
    if (known) return known;
    const file = this.library.read(name);
    if (!file) return undefined;
    let parsed = parsedLibrary.get(name);
    if (!parsed || parsed.text !== file.text) {
      parsed = { text: file.text, syntax: this.library.parsed?.(file, name) ?? this.parseNow(file) };
      parsedLibrary.set(name, parsed);
    }
    return this.add(name, parsed.syntax.span.file, parsed.syntax, !isAside(name));
  }

  private parseNow(file: SourceFile): ast.File {
    const { value, diagnostics } = parse(file);
    this.reporter.addAll(diagnostics);
    return value!;
  }

  /** A module from a file of the user's; `syntax` is its tree, where it has been parsed already. */
  load(file: SourceFile, syntax?: ast.File): Module {
    const known = this.modules.get(file.name);
    if (known) return known;
    return this.add(file.name, file, syntax ?? this.parseNow(file), false);
  }

  private add(name: string, file: SourceFile, syntax: ast.File, everywhere: boolean): Module {
    const own = new Map<string, Named>();
    for (const decl of syntax.decls) {
      if (decl.kind !== "Model" && decl.kind !== "Block" && decl.kind !== "Op") continue;
      const earlier = own.get(decl.name.name);
      if (earlier)
        this.reporter.report("name/declared-twice", { name: decl.name.name }, decl.name.span, {
          related: [{ span: earlier.name.span, message: "the first one is here" }],
          hint: `rename one of them; two declarations of one file cannot share a name`,
        });
      else own.set(decl.name.name, decl);
    }
    const checkpoints = syntax.decls.filter((d) => d.kind === "Checkpoint");
    const module: Module = { name, file, syntax, own, uses: [], checkpoints, everywhere };
    this.modules.set(name, module);
    if (everywhere) this.prelude.push(module);
    this.loading.push(name);
    for (const decl of syntax.decls) if (decl.kind === "Use") this.use(module, decl);
    this.loading.pop();
    return module;
  }

  private use(module: Module, use: ast.Use): void {
    if (use.path !== undefined) {
      const file = this.readModule(use.path, module.file);
      if (!file) {
        this.reporter.report("name/no-such-file", { path: use.path }, use.span, {
          hint: `the path is read from the folder of ${module.file.name}`,
        });
        return;
      }
      this.link(module, use, file.name, () => this.load(file));
      return;
    }
    const name = (use.names ?? []).map((n) => n.name).join(".");
    if (!this.library.modules().includes(name)) {
      const close = nearest(name, this.library.modules());
      this.reporter.report("name/no-such-module", { name }, use.span, {
        hint: close ? `did you mean ${close}?` : `the library's modules are ${this.library.modules().join(", ")}`,
        fixes: close ? [{ title: `use ${close}`, span: use.span, replacement: `use ${close}` }] : [],
      });
      return;
    }
    this.link(module, use, name, () => this.loadLibrary(name)!);
  }

  private link(module: Module, use: ast.Use, name: string, load: () => Module): void {
    if (this.loading.includes(name)) {
      const round = [...this.loading.slice(this.loading.indexOf(name)), name];
      this.reporter.report("name/use-cycle", { files: round }, use.span, {
        hint: "move what both need into a third file that they both use",
      });
      return;
    }
    module.uses.push({ use, module: load() });
  }

  /** What a name at the top of a module means there: its own, then what it uses, then the library's. */
  find(module: Module, name: string): Found | undefined {
    const own = module.own.get(name);
    if (own) return { decl: own, module };
    for (const { module: used } of module.uses) {
      const decl = used.own.get(name);
      if (decl) return { decl, module: used };
    }
    for (const library of this.prelude) {
      const decl = library.own.get(name);
      if (decl) return { decl, module: library };
    }
    return undefined;
  }

  /** Every name that a module sees at the top, for suggestions. */
  visible(module: Module): readonly string[] {
    return [
      ...module.own.keys(),
      ...module.uses.flatMap((u) => [...u.module.own.keys()]),
      ...this.prelude.flatMap((m) => [...m.own.keys()]),
    ];
  }
}
