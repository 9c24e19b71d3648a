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
} as const;
