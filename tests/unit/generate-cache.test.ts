/** What a decoder keeps between steps, and what it asks a step for. */
import { expect, test } from "vitest";
import { Cache } from "../../src/generate/cache.ts";
import type { State } from "../../src/generate/signature.ts";

const state = (name: string, length: string, more: Partial<State> = {}): State => ({
  past: `past.${name}`,
  present: `present.${name}`,
  axes: [{ name: "batch_size" }, { name: length }, { name: "width", size: 2 }],
  ...more,
});

const tensor = (places: number, first = 0): { dims: number[]; data: Float32Array } => ({
  dims: [1, places, 2],
  data: Float32Array.from({ length: 2 * places }, (_, i) => first + i),
});

test("what was read of a source as a whole is not asked for again, and stays", () => {
  const states = [state("own", "past_sequence_length"), state("source", "past_source_length")];
  const cache = new Cache({ states }, "batch_size");
  cache.begin(1);
  const lengths = new Map([["source_length", 3]]);
  expect(cache.outputs(lengths)).toEqual(["present.own", "present.source"]);
  cache.take(
    new Map([
      ["present.own", tensor(1)],
      ["present.source", tensor(3, 10)],
    ]),
  );
  expect(cache.outputs(lengths)).toEqual(["present.own"]);
  cache.take(new Map([["present.own", tensor(2)]]));
  const fed = new Map(cache.feed(2));
  expect([...fed.get("past.source")!.data]).toEqual([10, 11, 12, 13, 14, 15]);
  expect(fed.get("past.own")!.dims).toEqual([1, 2, 2]);
  // A longer source has places that were not read.
  expect(cache.outputs(new Map([["source_length", 4]]))).toEqual(["present.own", "present.source"]);
  // Nothing is known of its length: as if it grew.
  expect(cache.outputs(new Map())).toEqual(["present.own", "present.source"]);
  cache.clear();
  cache.begin(1);
  expect(cache.outputs(lengths)).toEqual(["present.own", "present.source"]);
});

test("in rows, new places of several states may be one output: it is asked for while any of them grows", () => {
  const rows = (index: number) => ({ index, axis: 1 });
  const states = [
    state("a", "past_source_length", { present: "present", rows: rows(0) }),
    state("b", "past_source_length", { present: "present", rows: rows(1) }),
    state("c", "past_sequence_length", { present: "other", rows: { ...rows(0), spare: true } }),
  ];
  const cache = new Cache({ states }, "batch_size");
  cache.begin(1);
  const lengths = new Map([["source_length", 2]]);
  expect(cache.outputs(lengths)).toEqual(["present", "other"]);
  const both = { dims: [2, 1, 2, 2], data: Float32Array.from({ length: 8 }, (_, i) => i) };
  const own = { dims: [1, 1, 1, 2], data: Float32Array.of(8, 9) };
  cache.take(
    new Map([
      ["present", both],
      ["other", own],
    ]),
  );
  expect(cache.outputs(lengths)).toEqual(["other"]);
  const fed = new Map(cache.feed(1));
  expect([...fed.get("past.b")!.data]).toEqual([4, 5, 6, 7]);
});
