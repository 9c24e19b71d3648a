/**
 * Figures that were looked at by eye. `UPDATE=1 npx vitest run tests/golden` draws them anew, to be looked at again; every
 * picture of the library's models and the examples is checked for what an eye would dislike first.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { checkAll } from "../../src/compile.ts";
import { draw, layOut, type DrawOptions } from "../../src/draw/draw.ts";
import type { Placed, PlacedItem, Point, Rect } from "../../src/draw/place.ts";
import { elaborateText, request } from "../support/programs.ts";

const folder = new URL("figures", import.meta.url).pathname;
const examples = new URL("../../examples/", import.meta.url).pathname;
const update = process.env["UPDATE"] === "1" && process.env["CI"] === undefined;

interface Golden extends DrawOptions {
  readonly model?: string;
  readonly example?: string;
}

const FIGURES: Readonly<Record<string, Golden>> = {
  bert: { model: "bert_pretraining" },
  "transformer-2017": { model: "transformer_base" },
  t5: { model: "t5_base" },
  "gpt-2": { model: "gpt_2_small" },
  "llama-3": { model: "llama_3_8b" },
  "llama-3-detail": { model: "llama_3_8b", detail: true, types: true, theme: "light" },
  "mixture-of-experts": { example: "mixture-of-experts.tfm", model: "mixtral_like" },
  "own-block": { example: "own-block.tfm", theme: "dark" },
};

function elaborated({ model, example }: Golden) {
  const text = example === undefined ? undefined : readFileSync(examples + example, "utf8");
  return elaborateText(text, model === undefined ? {} : { model }).value!;
}

for (const [name, golden] of Object.entries(FIGURES))
  test(`the figure ${name}`, async () => {
    const svg = await draw(elaborated(golden), golden);
    const path = join(folder, `${name}.svg`);
    if (update) writeFileSync(path, svg);
    expect(existsSync(path), `${name}.svg is missing: run with UPDATE=1`).toBe(true);
    expect(svg).toBe(readFileSync(path, "utf8"));
  });

describe("nothing in a figure lies over anything else", () => {
  const sources = readdirSync(examples)
    .filter((f) => f.endsWith(".tfm"))
    .map((f) => [f, readFileSync(examples + f, "utf8")] as const);
  test.each(sources)("%s", async (_, text) => {
    for (const model of checkAll({ ...request(text), settings: [] }).value ?? [])
      for (const detail of [false, true]) expectTidy(await layOut(model, { detail }));
  });

  test.each(["bert_choice", "glm_10b", "gpt_3_175b", "gpt_similarity", "t5_1_1_base", "llama_3_1_405b", "mistral_7b"])(
    "%s",
    async (model) => {
      const { value } = elaborateText(undefined, { model });
      for (const detail of [false, true])
        for (const types of [false, true]) expectTidy(await layOut(value!, { detail, types }));
    },
  );
});

function expectTidy(placed: Placed): void {
  const solid = placed.items.filter(
    ({ item }) => item.kind === "box" || item.kind === "join" || item.kind === "terminal",
  );
  const all: Rect = { x: 0, y: 0, width: placed.width, height: placed.height };
  for (const { item, rect } of placed.items) {
    expect(contains(all, rect), `${nameOf(item)} is outside the picture`).toBe(true);
    if (item.kind !== "group") continue;
    const inside = new Set(idsIn(item));
    for (const other of solid.filter((s) => inside.has(s.item.id)))
      expect(contains(rect, other.rect), `${nameOf(other.item)} is outside its group`).toBe(true);
  }
  solid.forEach((a, i) => {
    for (const b of solid.slice(i + 1))
      expect(overlap(a.rect, b.rect), `${nameOf(a.item)} lies over ${nameOf(b.item)}`).toBe(false);
  });
  for (const { edge, points } of placed.edges) {
    expect(points.length, "a line without a way").toBeGreaterThan(1);
    for (const { item, rect } of solid)
      if (item.id !== edge.from && item.id !== edge.to)
        for (let i = 1; i < points.length; i++)
          expect(crosses(points[i - 1]!, points[i]!, rect), `a line goes through ${nameOf(item)}`).toBe(false);
  }
}

function nameOf(item: PlacedItem["item"]): string {
  return "title" in item ? item.title : item.kind;
}

function idsIn(item: PlacedItem["item"]): string[] {
  return item.kind === "group" ? item.items.flatMap((i) => [i.id, ...idsIn(i)]) : [];
}

function contains(a: Rect, b: Rect): boolean {
  return b.x >= a.x - 1 && b.y >= a.y - 1 && b.x + b.width <= a.x + a.width + 1 && b.y + b.height <= a.y + a.height + 1;
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x + 1 < b.x + b.width && b.x + 1 < a.x + a.width && a.y + 1 < b.y + b.height && b.y + 1 < a.y + a.height;
}

/** Does an upright or level piece of a line go through the inside of a rectangle? */
function crosses(p: Point, q: Point, r: Rect): boolean {
  const x = Math.min(p.x, q.x);
  const y = Math.min(p.y, q.y);
  return overlap(
    { x, y, width: Math.abs(p.x - q.x), height: Math.abs(p.y - q.y) },
    { x: r.x + 1, y: r.y + 1, width: r.width - 2, height: r.height - 2 },
  );
}

afterAll(() => {
  const extra = readdirSync(folder).filter((f) => !(f.replace(".svg", "") in FIGURES));
  if (update) for (const f of extra) rmSync(join(folder, f));
  else expect(extra, "figures that nothing draws").toEqual([]);
});
