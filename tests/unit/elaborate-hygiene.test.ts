/** Names of axes that a block or an operator makes for itself are its own: a caller may have axes of the same names. */
import { describe, expect, it } from "vitest";
import { showType } from "../../src/ir/type.ts";
import { evaluated, expectEach } from "../support/by-hand.ts";
import { elaborateText } from "../support/programs.ts";

function typeOf(text: string): string {
  const { value, diagnostics } = elaborateText(text);
  expect(diagnostics.map((d) => d.message)).toEqual([]);
  return showType(value!.graph.outputs[0]!.value.type);
}

describe("axes of one's own", () => {
  // `rope` splits into pair and half, by way of turning, and joins still; each of these is an axis of x here.
  it.each(["pair", "half", "turning", "still", "d"])("a caller may call an axis %s", (name) => {
    const text = (axis: string): string =>
      `model m { input x: float[${axis} = 3, seq, head_dim = 6] output y = rope(100, width = 4)(x, position(seq)) }`;
    const plain = evaluated(text("rows"), { seq: 4 });
    const same = evaluated(text(name), { seq: 4 });
    const data = plain.output().data as ArrayLike<number>;
    expectEach(same.output(), [name, "seq", "head_dim"], (r, s, d) => data[(r * 4 + s) * 6 + d]!);
  });

  it.each([
    ["split, sized", "x[d -> (left = 2, right)][left = 0][right -> d2]", "left"],
    ["split, open", "x[d -> (left = 2, right)][left = 0][right -> d2]", "right"],
    ["rename", "sum(x[d -> other], over = other)", "other"],
    ["merge", "sum(x[d -> (p = 2, q)][(p, q) -> whole], over = whole)", "whole"],
    ["stack", "sum(stack[side](x, x), over = side)", "side"],
    ["concat", "sum(concat[d + d -> both](x, x), over = both)", "both"],
    ["keep", "sum(keep[s -> seen](x), over = seen)", "seen"],
    ["a dimension", "x + sum(position(extra), over = extra)", "extra"],
  ])("%s", (_, value, name) => {
    const extra = value.includes("extra") ? "dim extra = 4" : "";
    const block = (axis: string): string =>
      `block f() { input x: [..., s, d] ${extra} output ${value} }\nmodel m { input x: float[${axis} = 3, seq, wide = 6] output y = x -> f }`;
    expect(typeOf(block(name)).replaceAll("~", "")).toBe(typeOf(block("rows")).replaceAll("rows", name));
  });

  it("what a block takes under a name of its own", () => {
    expect(
      typeOf(
        "block f() { input x: [..., d] dim wide = 2 output x * sum(position(wide), over = wide) }\nmodel m { input x: float[seq, wide = 6] output y = x -> f }",
      ),
    ).toBe("float[seq, wide=6]");
  });
});
