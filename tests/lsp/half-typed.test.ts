/**
 * @file Every feature at every half-typed text: the examples are typed character by character and characters deleted at
 * random, with all features asked at random places. `TFM_FUZZ=all` types every character; the seed is printed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { randomOf } from "../../src/equivalence/law.ts";
import { OpenText } from "../../src/lsp/analysis.ts";
import { codeActions, diagnosticsOf } from "../../src/lsp/features/diagnostics.ts";
import { completion } from "../../src/lsp/features/completion.ts";
import { hover } from "../../src/lsp/features/hover.ts";
import { inlayHints } from "../../src/lsp/features/inlay.ts";
import { codeLenses } from "../../src/lsp/features/lens.ts";
import { definition, prepareRename, references, rename } from "../../src/lsp/features/navigate.ts";
import { documentSymbols, foldingRanges } from "../../src/lsp/features/outline.ts";
import { signatureHelp } from "../../src/lsp/features/signature.ts";
import { semanticTokens } from "../../src/lsp/features/tokens.ts";
import type { View } from "../../src/lsp/view.ts";
import { environment, viewOf } from "./open.ts";

const ALL = process.env["TFM_FUZZ"] === "all";
const SEED = Number(process.env["TFM_SEED"] ?? Date.now() % 1_000_000);
const folder = new URL("../../examples/", import.meta.url).pathname;
const examples = readdirSync(folder).filter((f) => f.endsWith(".tfm"));
/** No version of a text may take longer, everything asked of it. Generous: the machine may be busy. */
const HANG = 10_000;

/** Asks everything, at one place; ranges that come back lie in the text. */
function askAll(view: View, offset: number, withRename: boolean): void {
  const { document } = view;
  const whole = { start: document.positionAt(0), end: document.positionAt(view.analysis.text.length) };
  for (const d of diagnosticsOf(view)) {
    expect(document.offsetAt(d.range.start)).toBeLessThanOrEqual(document.offsetAt(d.range.end));
    expect(d.message).not.toBe("");
  }
  hover(view, offset);
  definition(view, offset);
  references(view, offset, true);
  prepareRename(view, offset);
  if (withRename) rename(view, offset, "renamed");
  for (const item of completion(view, offset)) expect(item.label).not.toBe("");
  signatureHelp(view, offset);
  for (const s of documentSymbols(view)) expect(s.name).not.toBe("");
  foldingRanges(view);
  inlayHints(view, whole);
  expect(semanticTokens(view).length % 5).toBe(0);
  codeActions(view, whole);
  codeLenses(view);
}

test.each(examples)(`%s typed and deleted, seed ${SEED}`, (name) => {
  const text = readFileSync(folder + name, "utf8");
  const random = randomOf(SEED, name);
  const nat = (n: number): number => Math.floor(random() * n);
  const stride = ALL ? 1 : Math.max(1, Math.floor(text.length / 30));
  const open = new OpenText("my.tfm", environment());
  let version = 0;
  const ask = (typed: string, offset: number): void => {
    const start = performance.now();
    const view = viewOf(open, typed, ++version);
    view.analysis.step();
    askAll(view, offset, version % 10 === 0);
    askAll(view, nat(typed.length + 1), false);
    const took = performance.now() - start;
    if (took > HANG) throw new Error(`${Math.round(took)} ms for ${JSON.stringify(typed)}`);
  };
  for (let end = nat(stride); end <= text.length; end += stride) ask(text.slice(0, end), end);
  let left = text;
  for (let i = 0; i < (ALL ? 300 : 25); i++) {
    const at = nat(left.length);
    left = left.slice(0, at) + left.slice(at + 1 + nat(i % 5 === 0 ? 40 : 2));
    ask(left, at);
  }
});
