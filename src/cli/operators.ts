/** @file The operators as `tfm ops` and the site describe them: primitives of the compiler, and `op` declarations of the library. */
import { kernels } from "../backends/lowering/kernels.ts";
import { syntaxOf } from "../compile.ts";
import { libraryModules, readLibrary } from "../host/stdlib.ts";
import { primitives } from "../ops/registry.ts";
import { textOf } from "../source/source.ts";
import type * as ast from "../syntax/ast.ts";

export interface Described {
  readonly name: string;
  readonly kind: "primitive" | "library";
  readonly module: string;
  /** `rms_norm(x: [..., d], weight: [d], eps)` */
  readonly signature: string;
  readonly doc: string;
  readonly traits: readonly string[];
  /** What must hold, by label. */
  readonly constraints: Readonly<Record<string, string>>;
  /** What it means, in the language; a primitive means itself. */
  readonly meaning?: string;
  /** Have the targets an operator, or a spelling that is fused, for it? Otherwise its meaning is compiled. */
  readonly kernel: boolean;
}

/** All of them, primitives first. */
export function describedOperators(): readonly Described[] {
  return [...primitiveOps(), ...libraryOps()];
}

function primitiveOps(): readonly Described[] {
  return Object.values(primitives).map((p) => ({
    name: p.name,
    kind: "primitive",
    module: "",
    signature: `${p.name}(${p.operands.join(", ")})`,
    doc: p.doc,
    traits: p.traits,
    constraints: p.constraints,
    kernel: true,
  }));
}

function libraryOps(): readonly Described[] {
  return libraryModules().flatMap((module) => {
    const { value } = syntaxOf(readLibrary(module)!);
    return (value?.decls ?? []).flatMap((d) => (d.kind === "Op" ? [described(d, module)] : []));
  });
}

function described(op: ast.Op, module: string): Described {
  const lists = [...(op.settings ? [op.settings] : []), op.operands];
  const given = op.given.length === 0 ? "" : ` given ${op.given.map((p) => textOf(p.span)).join(", ")}`;
  return {
    name: op.name.name,
    kind: "library",
    module,
    signature: `${op.name.name}${lists.map((l) => `(${l.items.map((p) => textOf(p.span)).join(", ")}${l.rest ? ", ..." : ""})`).join("")}${given}`,
    doc: op.doc,
    traits: [],
    constraints: {},
    meaning: textOf(op.meaning.kind === "Alias" ? op.meaning.value.span : op.meaning.span),
    kernel: Object.hasOwn(kernels, op.name.name),
  };
}
