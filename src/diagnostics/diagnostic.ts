/**
 * @file Diagnostics: what went wrong, where, why, and how to mend it.
 *
 * A code is `phase/slug`. The tables in `catalog/` hold one entry for each; a wrong code or a missing parameter does not
 * compile. A user's mistake is reported, never thrown.
 */
import type { Span } from "../source/source.ts";
import { catalog } from "./catalog/index.ts";

export type Severity = "error" | "warning";

/** What the table says of one code. `P` are the values its message needs. */
export interface Entry<P extends object> {
  readonly severity: Severity;
  /** One line, without a full stop: what is wrong here, with the names and numbers of the case. */
  readonly message: (p: P) => string;
  /** Prose for `tfm explain`: why this is wrong. */
  readonly why: string;
  /** Prose for `tfm explain`: how to mend it. */
  readonly mend: string;
  /** A program (or an excerpt of a file) that has the mistake. */
  readonly wrong: string;
  /** The same without it. */
  readonly right: string;
}

export function entry<P extends object = Record<never, never>>(e: Entry<P>): Entry<P> {
  return e;
}

export type Catalog = typeof catalog;
export type Code = keyof Catalog;
export type ParamsOf<C extends Code> = Catalog[C] extends Entry<infer P> ? P : never;

export interface Related {
  /** Absent for things that have no text: a tensor in a file, a key of a config. */
  readonly span?: Span;
  readonly message: string;
}

/** A mend that a tool can apply: `replacement` for the text at `span`. */
export interface Fix {
  readonly title: string;
  readonly span: Span;
  readonly replacement: string;
}

export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  /** Where; absent where there is no text to point at (a checkpoint's tensor, the command line). */
  readonly span?: Span;
  readonly related: readonly Related[];
  /** How to mend it, with the names and numbers of the case. */
  readonly hint?: string;
  readonly fixes: readonly Fix[];
}

export interface Extras {
  readonly related?: readonly Related[];
  readonly hint?: string | undefined;
  readonly fixes?: readonly Fix[];
}

/** A phase's answer: a value where there is one to go on with, and everything there was to say. */
export interface Result<T> {
  readonly value?: T;
  readonly diagnostics: readonly Diagnostic[];
}

/** Builds one diagnostic from the table. */
export function diagnose<C extends Code>(code: C, params: ParamsOf<C>, span?: Span, extras: Extras = {}): Diagnostic {
  const e = catalog[code] as unknown as Entry<object>;
  return {
    code,
    severity: e.severity,
    message: e.message(params),
    ...(span ? { span } : {}),
    related: extras.related ?? [],
    ...(extras.hint !== undefined ? { hint: extras.hint } : {}),
    fixes: extras.fixes ?? [],
  };
}

/** Collects diagnostics; the same code at the same place is said once. */
export class Reporter {
  private readonly found: Diagnostic[] = [];
  private readonly seen = new Set<string>();

  report<C extends Code>(code: C, params: ParamsOf<C>, span?: Span, extras: Extras = {}): void {
    this.add(diagnose(code, params, span, extras));
  }

  add(d: Diagnostic): void {
    const key = `${d.code}|${d.span?.file.name ?? ""}|${d.span?.start ?? ""}|${d.span?.end ?? ""}|${d.span ? "" : d.message}`;
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.found.push(d);
  }

  addAll(ds: readonly Diagnostic[]): void {
    for (const d of ds) this.add(d);
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.found;
  }

  get hasErrors(): boolean {
    return this.found.some((d) => d.severity === "error");
  }
}

export function hasErrors(ds: readonly Diagnostic[]): boolean {
  return ds.some((d) => d.severity === "error");
}
