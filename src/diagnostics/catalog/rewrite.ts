import { entry } from "../diagnostic.ts";

export const rewriteCodes = {
  "rewrite/cycle": entry<{ rules: readonly string[]; grows: boolean }>({
    severity: "error",
    message: (p) =>
      p.grows
        ? `rewriting by ${p.rules.map((r) => `"${r}"`).join(", then ")} never ends`
        : p.rules.length === 1
          ? `"${p.rules[0]!}" undoes what it does itself`
          : `${p.rules.map((r) => `"${r}"`).join(", then ")} come back to where they began`,
    why: "Rules are applied until none changes anything. Where they go round, it would be left to chance, or to the order in which they stand, where to stop.",
    mend: "Keep the direction that ends in what targets are good at, and leave the other out. What is the same by the order of a sum or product, or as a quotient instead of a product, is found without a rule.",
    wrong:
      'rewrite "there" (x: [batch, d]) { exp(2 * x) => exp(x) * exp(x) }\nrewrite "and back" (x: [batch, d]) { exp(x) * exp(x) => exp(2 * x) }',
    right: 'rewrite "there" (x: [batch, d]) { exp(x) * exp(x) => exp(2 * x) }',
  }),
  "rewrite/different": entry<{ rule: string; where: string }>({
    severity: "error",
    message: (p) => `the two sides of "${p.rule}" do not compute the same${p.where === "" ? "" : `: ${p.where}`}`,
    why: "A program's own rewrites are used when it is compiled. Each is tested as a law before: what does not hold would change what the model computes.",
    mend: "Run `tfm test` on the file: it shows a small counterexample.",
    wrong: 'rewrite "half a square" (x: [batch, d]) { x * x => 2 * x }',
    right: 'rewrite "twice" (x: [batch, d]) { x + x => 2 * x }',
  }),
} as const;
