/** @file The generated files of `grammar/` are fresh, and the editor's grammar colours a program rightly. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, test } from "vitest";
import oniguruma from "vscode-oniguruma";
import textmate from "vscode-textmate";
import { ebnf } from "../../grammar/ebnf.ts";
import { textMate } from "../../grammar/textmate.ts";
import { reservedWords } from "../../grammar/tokens.ts";

const folder = new URL("../../grammar/", import.meta.url).pathname;

test.each([
  ["grammar.ebnf", ebnf],
  ["tfm.tmLanguage.json", textMate],
] as const)("%s is generated from the grammar as it is", (name, make) => {
  if (process.env["UPDATE"] === "1" && !process.env["CI"]) writeFileSync(folder + name, make());
  expect(existsSync(folder + name) && readFileSync(folder + name, "utf8")).toBe(make());
});

test("the EBNF defines every rule that it names", () => {
  const text = ebnf().replace(/\(\*[^]*?\*\)/g, "");
  const defined = new Set([...text.matchAll(/^(\w+) =/gm)].map((m) => m[1]!));
  const named = new Set(text.replace(/"[^"]*"/g, "").match(/\b[a-z]\w+\b/g));
  named.delete("xN");
  expect([...named].filter((n) => !defined.has(n))).toEqual([]);
  for (const word of reservedWords) expect(text).toContain(`"${(word.PATTERN as RegExp).source}"`);
});

/** Every piece of a text with its innermost scope. */
async function scopes(text: string): Promise<[string, string][]> {
  const wasm = readFileSync(createRequire(import.meta.url).resolve("vscode-oniguruma/release/onig.wasm"));
  await oniguruma.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength));
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (sources) => new oniguruma.OnigScanner(sources),
      createOnigString: (s) => new oniguruma.OnigString(s),
    }),
    loadGrammar: async () => textmate.parseRawGrammar(textMate(), "tfm.tmLanguage.json"),
  });
  const grammar = (await registry.loadGrammar("source.tfm"))!;
  let stack = textmate.INITIAL;
  return text.split("\n").flatMap((line) => {
    const { tokens, ruleStack } = grammar.tokenizeLine(line, stack);
    stack = ruleStack;
    return tokens.flatMap((t): [string, string][] => {
      const piece = line.slice(t.startIndex, t.endIndex);
      return piece.trim() === "" ? [] : [[piece.trim(), t.scopes.at(-1)!.replace(/\.tfm$/, "")]];
    });
  });
}

test("the editor's grammar colours a program", async () => {
  const found = await scopes(
    [
      "/// A model.",
      "model tiny(layers = 2) grows seq { // small",
      '  input tokens as "input_ids": int[batch, seq]',
      "  output logits = tokens -> layers: decoder(post) x{layers} < gqa(2, bias = false), rmsnorm >",
      "  let x12 = in' ^ -0.5",
      "}",
      'law "a" { decoder x32 == if true then none else config.model }',
    ].join("\n"),
  );
  const of = (piece: string): string | undefined => found.find(([p]) => p === piece)?.[1];
  expect(of("/// A model.")).toBe("comment.line.documentation");
  expect(of("// small")).toBe("comment.line.double-slash");
  expect(of("model")).toBe("storage.type");
  expect(of("tiny")).toBe("entity.name.type");
  expect(of("grows")).toBe("keyword.control");
  expect(of("input")).toBe("keyword.other");
  expect(of("as")).toBe("keyword.other");
  expect(of("->")).toBe("keyword.operator.arrow");
  expect(of("layers:") ?? of("layers")).toMatch(/variable.parameter|entity.name.label/);
  expect(of("decoder")).toBe("entity.name.function");
  expect(of("x")).toBe("keyword.operator.repeat");
  expect(of("x32")).toBe("keyword.operator.repeat");
  expect(of("x12")).toBe("variable.parameter");
  expect(of("bias")).toBe("variable.parameter");
  expect(of("in'")).toBe("variable.other");
  expect(of("0.5")).toBe("constant.numeric");
  expect(of("none")).toBe("constant.language");
  // After a dot every word is a name.
  expect(found.filter(([p]) => p === "model")[1]).toEqual(["model", "variable.other.property"]);
});
