import { entry } from "../diagnostic.ts";

export const lawCodes = {
  "law/sides": entry<{ left: string; right: string }>({
    severity: "error",
    message: (p) => `the two sides are not of one type: ${p.left} and ${p.right}`,
    why: "A law or a rewrite states that two expressions have the same value, so both have the same dtype and the same axes, in whatever order.",
    mend: "Check which axes each side reduces or renames.",
    wrong: 'law "the mean goes" (x: [batch, d]) { x - mean(x, over = d) == mean(x, over = d) }',
    right: 'law "centring twice is centring once" (x: [batch, d]) { centre(centre(x)) == centre(x) }',
  }),
  "law/kinds": entry<{ left: string; right: string }>({
    severity: "error",
    message: (p) => `the two sides cannot be compared: ${p.left} and ${p.right}`,
    why: "Compared are two values, or two blocks, or two operators.",
    mend: "Apply the block to an operand of the law, or leave both sides unapplied.",
    wrong: 'law "a block is no value" (x: [batch, hidden]) { x == rmsnorm }',
    right: 'law "the same block" { rmsnorm == rmsnorm }',
  }),
  "law/no-weight": entry<{ path: string }>({
    severity: "error",
    message: (p) => `there is no weight ${p.path}`,
    why: "In a `where`, `left` and `right` are the weights of the two sides, by their paths: the labels of the blocks that make them, then the parameter's own name.",
    mend: "Write the path as `tfm info` shows it for the same block.",
    wrong:
      'law "folded" (x: [batch, d]) { x -> a: linear(3) == x -> b: linear(3) where right.b.weight = left.norm.weight, right.b.bias = left.a.bias }',
    right:
      'law "folded" (x: [batch, d]) { x -> a: linear(3) == x -> b: linear(3) where right.b.weight = left.a.weight, right.b.bias = left.a.bias }',
  }),
  "law/unbound-weight": entry<{ path: string; type: string }>({
    severity: "error",
    message: (p) =>
      `the right side has a weight ${p.path} (${p.type}), and the left side has none of that path and type`,
    why: "A law is about all weights of its left side. Those of the right side are the same where path and type are the same; any other must be given in terms of the left ones, or nothing is stated about it.",
    mend: "Give it in a `where`, as an expression over `left`.",
    wrong: 'law "two names" (x: [batch, d]) { x -> a: linear(3) == x -> b: linear(3) }',
    right:
      'law "two names" (x: [batch, d]) { x -> a: linear(3) == x -> b: linear(3) where right.b.{weight, bias} = left.a.{weight, bias} }',
  }),
  "law/weight-axes": entry<{ path: string; wanted: string; found: string }>({
    severity: "error",
    message: (p) => `the weight ${p.path} is ${p.wanted}; what it is given is ${p.found}`,
    why: "What a `where` gives must have the axes of the weight, in any order; an axis that it lacks is filled with copies.",
    mend: "Rename, split or merge its axes with brackets: `left.q.weight[(kv_heads, groups) -> heads]`.",
    wrong:
      'law "transposed" (x: [batch, d]) { x -> a: linear(3) == x -> b: linear(3) where right.b.weight = left.a.weight[out -> rows], right.b.bias = left.a.bias }',
    right:
      'law "the same" (x: [batch, d]) { x -> a: linear(3) == x -> b: linear(3) where right.b.weight = left.a.weight, right.b.bias = left.a.bias }',
  }),
  "law/no-sizes": entry<{ tried: number }>({
    severity: "error",
    message: (p) => `none of the ${p.tried} choices of sizes that were tried fits both sides`,
    why: "Sizes that a law does not state are drawn; those for which a division has a remainder, or two sizes of one axis differ, are left out.",
    mend: "State sizes that fit after `for`: `for heads in [2, 4], hidden in [8, 16]`.",
    wrong: 'law "no size fits" (x: [batch, d]) for d in [3, 5] { x[d -> (pair = 2, half)][(pair, half) -> d] == x }',
    right: 'law "halves" (x: [batch, d]) for d in [4, 6] { x[d -> (pair = 2, half)][(pair, half) -> d] == x }',
  }),
} as const;
