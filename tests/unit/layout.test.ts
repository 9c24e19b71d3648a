/** @file Layouts: conversions between them do what they say with as little as possible, and views share tensors. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Size } from "../../src/ir/size.ts";
import type { Type } from "../../src/ir/type.ts";
import { Book } from "../../src/layout/book.ts";
import { align, inMemoryOrder, isolated } from "../../src/layout/choose.ts";
import { planConversion } from "../../src/layout/convert.ts";
import { showLayout, type Layout } from "../../src/layout/layout.ts";
import { printLayout } from "../../src/layout/print.ts";
import { isPhysical, merged, renamed, spreadOver, type View } from "../../src/layout/view.ts";

const SIZES: Record<string, number> = { batch: 2, seq: 3, kv: 2, groups: 2, d: 4, hidden: 16, one: 1, other: 1 };
const sizeOf = (axis: string): Size => Size.of(SIZES[axis]!);

/** `batch seq | hidden`; nothing between bars is a dimension of size one. */
function layout(text: string): Layout {
  return text === ""
    ? []
    : text.split("|").map((g) =>
        g
          .trim()
          .split(/\s+/)
          .filter((a) => a !== ""),
      );
}

/** A tensor whose elements say which place of which axes they are. */
interface Labelled {
  readonly dims: readonly number[];
  readonly labels: readonly string[];
}

const count = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

function labelled(lies: Layout): Labelled {
  const axes = lies.flat();
  let labels = [{} as Record<string, number>];
  for (const a of axes) labels = labels.flatMap((l) => Array.from({ length: SIZES[a]! }, (_, i) => ({ ...l, [a]: i })));
  const shown = labels.map((l) =>
    Object.entries(l)
      .filter(([a]) => SIZES[a]! > 1)
      .sort()
      .map(([a, i]) => `${a}${i}`)
      .join(" "),
  );
  return { dims: lies.map((g) => count(g.map((a) => SIZES[a]!))), labels: shown };
}

function transpose(t: Labelled, permutation: readonly number[]): Labelled {
  const dims = permutation.map((p) => t.dims[p]!);
  const strides = t.dims.map((_, i) => count(t.dims.slice(i + 1)));
  const labels: string[] = [];
  const walk = (axis: number, at: number): void => {
    if (axis === dims.length) labels.push(t.labels[at]!);
    else for (let i = 0; i < dims[axis]!; i++) walk(axis + 1, at + i * strides[permutation[axis]!]!);
  };
  walk(0, 0);
  return { dims, labels };
}

/** Carries steps out. */
function carriedOut(from: Layout, to: Layout): { result: Labelled; reshapes: number; transposes: number } {
  const steps = planConversion(from, to, sizeOf);
  let result = labelled(from);
  for (const step of steps) {
    if (step.kind === "transpose") result = transpose(result, step.permutation);
    const dims = step.to.map((g) => count(g.map((a) => SIZES[a]!)));
    expect(count(dims)).toBe(count(result.dims));
    if (step.kind === "transpose") expect(result.dims).toEqual(dims);
    result = { dims, labels: result.labels };
  }
  const of = (kind: string): number => steps.filter((s) => s.kind === kind).length;
  return { result, reshapes: of("reshape"), transposes: of("transpose") };
}

/** Some axes in some order, cut into groups; empty groups too. */
const anyLayout = (axes: readonly string[]): fc.Arbitrary<Layout> =>
  fc
    .tuple(
      fc.shuffledSubarray([...axes], { minLength: axes.length }),
      fc.array(fc.nat(axes.length), { maxLength: axes.length + 1 }),
    )
    .map(([order, cuts]) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), order.length];
      return at.slice(1).map((end, i) => order.slice(at[i], end));
    });

describe("conversions", () => {
  it("give the layout that was asked for, with one transpose at most", () => {
    const axes = ["batch", "seq", "kv", "d", "one"];
    fc.assert(
      fc.property(anyLayout(axes), anyLayout(axes), (from, to) => {
        const { result, reshapes, transposes } = carriedOut(from, to);
        expect(result).toEqual(labelled(to));
        const order = (l: Layout): string =>
          l
            .flat()
            .filter((a) => SIZES[a] !== 1)
            .join(" ");
        expect(transposes).toBe(order(from) === order(to) ? 0 : 1);
        expect(reshapes).toBeLessThanOrEqual(transposes === 0 ? 1 : 2);
      }),
      { numRuns: 500, seed: 11 },
    );
  });
  const steps = (from: string, to: string): string[] =>
    planConversion(layout(from), layout(to), sizeOf).map((s) => `${s.kind} ${showLayout(s.to)}`);
  it("reshape where memory stays as it is", () => {
    expect(steps("batch | seq | hidden", "batch seq | hidden")).toEqual(["reshape [(batch seq), hidden]"]);
    expect(steps("batch | one | seq", "batch | seq")).toEqual(["reshape [batch, seq]"]);
    expect(steps("batch | one | seq", "one | batch | seq")).toEqual(["reshape [one, batch, seq]"]);
    expect(steps("batch | seq", "batch | seq")).toEqual([]);
    expect(steps("batch one | seq", "batch | seq")).toEqual([]);
  });
  it("transpose whole dimensions where they are there", () => {
    expect(steps("batch | seq | kv | d", "batch | kv | seq | d")).toEqual(["transpose [batch, kv, seq, d]"]);
    expect(steps("batch | seq | kv groups | d", "batch | kv | groups seq | d")).toEqual([
      "transpose [batch, (kv groups), seq, d]",
      "reshape [batch, kv, (groups seq), d]",
    ]);
  });
  it("reshape before a transpose so that none is needed behind it", () => {
    expect(steps("batch seq | kv d", "batch | kv | seq | d")).toEqual([
      "reshape [batch, seq, kv, d]",
      "transpose [batch, kv, seq, d]",
    ]);
  });
  it("move the longest runs where reshapes are needed on both sides", () => {
    expect(steps("batch seq | kv groups d", "batch kv | groups seq d")).toEqual([
      "reshape [batch, seq, (kv groups), d]",
      "transpose [batch, (kv groups), seq, d]",
      "reshape [(batch kv), (groups seq d)]",
    ]);
  });
});

/** A book over names: a conversion is spelt out. */
function bookOfNames(): { book: Book<string>; made: string[] } {
  const made: string[] = [];
  const say = (text: string): string => {
    made.push(text);
    return text;
  };
  const dims = (sizes: readonly Size[]): string => sizes.join(",");
  const book = new Book<string>({
    reshape: (t, _, to) => say(`reshape(${t}; ${dims(to)})`),
    transpose: (t, p) => say(`transpose(${t}; ${p.join(",")})`),
    expand: (t, _, to) => say(`expand(${t}; ${dims(to)})`),
  });
  return { book, made };
}

const typeOf = (...axes: string[]): Type => ({
  dtype: "float",
  axes: axes.map((name) => ({ name, size: sizeOf(name) })),
});
const rank = (): number => 0;

describe("the book", () => {
  it("makes each conversion once", () => {
    const { book, made } = bookOfNames();
    const x = book.made("x", layout("batch | seq | hidden"), typeOf("batch", "seq", "hidden"));
    expect(book.read(x, layout("batch seq | hidden"))).toBe("reshape(x; 6,16)");
    expect(book.read(x, layout("batch seq | hidden"))).toBe("reshape(x; 6,16)");
    expect(book.read(x, layout("batch | seq | hidden"))).toBe("x");
    expect(made).toHaveLength(1);
  });
  it("takes renaming, splitting and merging as views of one tensor", () => {
    const { book, made } = bookOfNames();
    const x = book.made("x", layout("batch seq | hidden"), typeOf("batch", "seq", "hidden"));
    const into = [
      { name: "kv", size: Size.of(4) },
      { name: "d", size: Size.of(4) },
    ];
    const s = book.split(x, "hidden", into, { dtype: "float", axes: [...typeOf("batch", "seq").axes, ...into] });
    const r = renamed(s, "kv", "heads", {
      dtype: "float",
      axes: [...typeOf("batch", "seq").axes, { name: "heads", size: Size.of(4) }, into[1]!],
    });
    const m = merged(r, ["heads", "d"], "mixed", {
      dtype: "float",
      axes: [...typeOf("batch", "seq").axes, { name: "mixed", size: Size.of(16) }],
    });
    expect(book.read(m, layout("batch seq | mixed"))).toBe("x");
    expect(book.layoutOf(m)).toEqual(layout("batch seq | mixed"));
    expect(book.layoutOf(r)).toEqual(layout("batch seq | heads d"));
    expect(made).toEqual([]);
    expect(book.read(s, layout("batch | kv | seq | d"))).toBe("transpose(reshape(x; 2,3,4,4); 0,2,1,3)");
  });
  it("shares the conversions of the same split made twice", () => {
    const { book, made } = bookOfNames();
    const x = book.made("x", layout("seq | hidden"), typeOf("seq", "hidden"));
    const into = [
      { name: "kv", size: Size.of(4) },
      { name: "d", size: Size.of(4) },
    ];
    const split = (): View<string> =>
      book.split(x, "hidden", into, { dtype: "float", axes: [...typeOf("seq").axes, ...into] });
    for (let i = 0; i < 2; i++) book.read(split(), layout("kv | seq | d"));
    expect(made).toHaveLength(2);
  });
  it("expands only where an axis is needed in memory", () => {
    const { book, made } = bookOfNames();
    const x = book.made("x", layout("seq"), typeOf("seq"));
    const s = spreadOver(x, "kv", Size.of(2), typeOf("kv", "seq"));
    expect(isPhysical(s, "kv")).toBe(false);
    expect(book.layoutOf(s)).toEqual(layout("seq"));
    expect(book.read(s, layout(" | seq"))).toBe("reshape(x; 1,3)");
    expect(book.read(s, layout("kv seq"))).toBe("reshape(expand(reshape(x; 1,3); 2,3); 6)");
    expect(made).toHaveLength(3);
  });
  it("lets a stored tensor be read in any grouping of its order", () => {
    const { book, made } = bookOfNames();
    const w = book.provided(typeOf("kv", "groups", "d", "hidden"), {
      order: ["kv", "groups", "d", "hidden"],
      make: (l) => `w${showLayout(l)}`,
    });
    expect(book.read(w, layout("kv groups d | hidden"))).toBe("w[(kv groups d), hidden]");
    expect(made).toEqual([]);
    expect(book.read(w, layout("hidden | kv groups d"))).toBe("transpose(w[(kv groups d), hidden]; 1,0)");
  });
  it("counts what is done to values that were there before a watch", () => {
    const { book } = bookOfNames();
    const x = book.made("x", layout("batch | seq"), typeOf("batch", "seq"));
    book.watch();
    const y = book.made("y", layout("batch | seq"), typeOf("batch", "seq"));
    book.read(y, layout("seq | batch"));
    book.watch();
    book.read(x, layout("seq | batch"));
    expect(book.unwatch()).toBe(1);
    expect(book.unwatch()).toBe(1);
  });
  it("prints what it did", () => {
    const { book } = bookOfNames();
    const x = book.made("x", layout("batch | seq"), typeOf("batch", "seq"));
    book.read(x, layout("seq | batch"));
    expect(printLayout(book.entries, (t) => (t === "x" ? "x" : "y"))).toBe(
      "x: [batch, seq]  of float[batch=2, seq=3]\n  y: [seq, batch]  transpose of x\n0 reshapes, 1 transposes, 0 expansions\n",
    );
  });
});

describe("choosing", () => {
  const { book } = bookOfNames();
  const made = (name: string, lies: string, ...axes: string[]): View<string> =>
    book.made(name, layout(lies), typeOf(...axes));
  const chosen = (views: View<string>[], ...axes: string[]): string[] => {
    const { layout: written, operands } = align(book, views, typeOf(...axes), rank);
    return [written, ...operands].map(showLayout);
  };
  it("follows the operand with all axes", () => {
    const x = made("x", "batch seq | hidden", "batch", "seq", "hidden");
    const shift = made("b", "hidden", "hidden");
    expect(chosen([shift, x], "batch", "seq", "hidden")).toEqual([
      "[(batch seq), hidden]",
      "[hidden]",
      "[(batch seq), hidden]",
    ]);
  });
  it("of two layouts takes the one with fewer dimensions", () => {
    const x = made("x", "batch | seq | hidden", "batch", "seq", "hidden");
    const y = made("y", "batch seq | hidden", "batch", "seq", "hidden");
    expect(chosen([x, y], "batch", "seq", "hidden")[0]).toBe("[(batch seq), hidden]");
  });
  it("splits a dimension where an operand has only a part of it, and joins the rest to what it belongs with", () => {
    const scores = made("s", "batch | kv | groups seq | d", "batch", "kv", "groups", "seq", "d");
    const mask = made("m", "batch | seq | d", "batch", "seq", "d");
    expect(chosen([scores, mask], "batch", "kv", "groups", "seq", "d")).toEqual([
      "[batch, (kv groups), seq, d]",
      "[batch, (kv groups), seq, d]",
      "[batch, 1, seq, d]",
    ]);
  });
  it("brings operands of which none has all axes into one order", () => {
    const a = made("a", "seq | d", "seq", "d");
    const b = made("b", "batch | d", "batch", "d");
    const { layout: written } = align(book, [a, b], typeOf("seq", "d", "batch"), (axis) =>
      ["batch", "seq"].indexOf(axis),
    );
    expect(showLayout(written)).toBe("[batch, seq, d]");
  });
  it("leaves axes of size one out, but for the dimensions that an operand begins with", () => {
    const a = made("a", "one | seq", "one", "seq");
    const b = made("b", "other | seq", "other", "seq");
    const c = made("c", "seq", "seq");
    expect(chosen([a, b], "one", "seq", "other")).toEqual(["[1, seq]", "[1, seq]", "[1, seq]"]);
    expect(chosen([a, c], "one", "seq")).toEqual(["[1, seq]", "[1, seq]", "[seq]"]);
    expect(chosen([c, c], "seq")).toEqual(["[seq]", "[seq]", "[seq]"]);
  });
  it("isolates axes and keeps memory order", () => {
    const x = made("x", "batch seq | kv groups d", "batch", "seq", "kv", "groups", "d");
    expect(showLayout(isolated(book, x, ["groups"]))).toBe("[(batch seq), kv, groups, d]");
    expect(inMemoryOrder(book, x, ["d", "batch"])).toEqual(["batch", "d"]);
  });
});
