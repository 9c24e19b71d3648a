/** What the language server says of a text is what `tfm check` says, also after edits; and an edit redoes only what it touched. */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkAll } from "../../src/compile.ts";
import type { Diagnostic } from "../../src/diagnostics/diagnostic.ts";
import { library } from "../../src/host/stdlib.ts";
import { OpenText, type Analysis } from "../../src/lsp/analysis.ts";
import { environment } from "./open.ts";

const root = new URL("../..", import.meta.url).pathname;
const read = (path: string): string => readFileSync(`${root}${path}`, "utf8");
const under = (folder: string): string[] =>
  readdirSync(`${root}${folder}`)
    .filter((f) => f.endsWith(".tfm"))
    .sort()
    .map((f) => `${folder}/${f}`);
const programs = ["examples", "stdlib", "stdlib/families", "stdlib/laws"].flatMap(under);
const phases = ["syntax", "name", "axis", "type", "setting", "model", "law"];
const broken = phases.flatMap((phase) => under(`tests/errors/${phase}`));

/** Code, place, message and hint of each, in one order. */
function lines(diagnostics: readonly Diagnostic[], place: (d: Diagnostic) => string): string[] {
  // Whether the text or only the declaration ends before a bracket's end, the server does not tell apart.
  const hint = (d: Diagnostic): string => (d.code === "syntax/unclosed-bracket" ? "" : (d.hint ?? ""));
  return diagnostics.map((d) => `${place(d)} ${d.code} ${d.message} ${hint(d)}`).sort();
}

function ofServer(analysis: Analysis): string[] {
  analysis.step();
  return lines(analysis.diagnostics(), (d) => {
    const at = d.span && analysis.inDocument(d.span);
    return at ? `${at.start}-${at.end}` : (d.span?.file.name ?? "nowhere");
  });
}

function ofCheck(text: string): string[] {
  const main = { name: "my.tfm", text };
  const { diagnostics } = checkAll({ library, main, uses: [], settings: [], readModule: () => undefined });
  return lines(diagnostics, (d) =>
    d.span?.file === main ? `${d.span.start}-${d.span.end}` : (d.span?.file.name ?? "nowhere"),
  );
}

test.each([...programs, ...broken])("%s: the server says what the compiler says", (path) => {
  const text = read(path);
  expect(ofServer(new OpenText("my.tfm", environment()).update(text))).toEqual(ofCheck(text));
});

/** Several declarations that need each other, and laws. */
const WHOLE = [
  "examples/own-block.tfm",
  "examples/tagger.tfm",
  "examples/differential-attention.tfm",
  "examples/activations.tfm",
].map(read);
const JOINED = WHOLE.join("\n");

test("after any edits the server says what it says of the text opened anew", () => {
  const word = fc.constantFrom(
    "hidden",
    " ",
    "x",
    "(",
    ")",
    "}",
    "{",
    "\n",
    "64",
    "-> rmsnorm",
    "dim",
    "=",
    ",",
    "<",
    ">",
  );
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.nat({ max: 12 }),
    insert: fc.oneof(fc.constant(""), word),
  });
  fc.assert(
    fc.property(fc.constantFrom(...WHOLE, JOINED), fc.array(edit, { minLength: 1, maxLength: 5 }), (start, edits) => {
      const open = new OpenText("my.tfm", environment());
      let text = start;
      ofServer(open.update(text));
      for (const { at, remove, insert } of edits) {
        const from = Math.floor(at * text.length);
        text = text.slice(0, from) + insert + text.slice(from + remove);
        const incremental = ofServer(open.update(text));
        expect(incremental).toEqual(ofServer(new OpenText("my.tfm", environment()).update(text)));
      }
    }),
    { numRuns: 40 },
  );
});

test("an edit elaborates anew what it touched, and what reads that", () => {
  const model = (name: string, block: string): string =>
    `model ${name}(hidden = 8) {\n  input x: float[batch, hidden]\n  output y = x -> ${block}\n}\n`;
  const block = (name: string, out: string): string =>
    `block ${name}() given hidden {\n  input x: [..., hidden]\n  output ${out}\n}\n`;
  const text = model("one", "first") + model("two", "second") + block("first", "x + 1") + block("second", "x + 2");
  const open = new OpenText("my.tfm", environment());
  const made = (version: string): string[] => {
    const analysis = open.update(version);
    const before = new Map(analysis.units.map((u) => [u, analysis.elaborationOf(u)]));
    analysis.step();
    return analysis.units.flatMap((u) =>
      u.kind === "Model" && analysis.elaborationOf(u) !== before.get(u) ? [u.name.name] : [],
    );
  };
  expect(made(text)).toEqual(["one", "two"]);
  expect(made(`op unrelated(x) = x\n${text}`)).toEqual([]);
  expect(made(text.replace("x + 2", "x + 3"))).toEqual(["two"]);
  expect(made(text.replace("block first", "block third"))).toEqual(["one", "two"]);
});

test("a repeat that no editor can wait for is given up", () => {
  let time = 0;
  const open = new OpenText("my.tfm", { ...environment(), now: () => (time += 100) });
  const body = "if (i % 2 == 0) then rmsnorm else layernorm";
  const block = `block own(i) { input x: [..., hidden]\n output x -> (${body}) }`;
  const analysis = open.update(
    `${block}\nmodel m(hidden = 8) { input x: float[batch, hidden]\n output y = x -> own(layer) x1000 }`,
  );
  analysis.step();
  expect(analysis.units.map((u) => analysis.elaborationOf(u)?.givenUp)).toEqual([true]);
});
