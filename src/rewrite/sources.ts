/** @file Where the operands of a match come from: what the program computes, or what little is made of that. */
import type { Value } from "../ir/graph.ts";
import type { Scope } from "../ir/transform.ts";
import type { Type } from "../ir/type.ts";
import { infer } from "../ops/registry.ts";
import type { Span } from "../source/source.ts";

/**
 * Where an operand comes from: a value of the program, one with the other sign (what is taken away from a sum) or the other truth (what
 * a choice hides), or a sum or mask of several.
 */
export type Source =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "turned"; readonly op: "neg" | "not"; readonly of: Source }
  | { readonly kind: "joined"; readonly op: "add" | "and"; readonly of: readonly Source[] };

/** The type of what is made of values, by the rules of types. */
export function typeOf(source: Source): Type {
  if (source.kind === "value") return source.value.type;
  if (source.kind === "turned") return typeOf(source.of);
  const { op } = source;
  return source.of.map(typeOf).reduce((a, b) => {
    const inferred = infer(op, [a, b], {});
    return "types" in inferred ? inferred.types[0]! : a;
  });
}

/** How many operators make it. */
export function operatorsOf(source: Source): number {
  if (source.kind === "value") return 0;
  if (source.kind === "turned") return 1 + operatorsOf(source.of);
  return source.of.reduce((n, s) => n + operatorsOf(s), source.of.length - 1);
}

/** The value itself; `of` has those of the program. */
export function makeOf(source: Source, of: (value: Value) => Value, scope: Scope, span: Span | undefined): Value {
  if (source.kind === "value") return of(source.value);
  if (source.kind === "turned") return scope.emit1(source.op, [makeOf(source.of, of, scope, span)], {}, span);
  const { op } = source;
  return source.of.map((s) => makeOf(s, of, scope, span)).reduce((a, b) => scope.emit1(op, [a, b], {}, span));
}
