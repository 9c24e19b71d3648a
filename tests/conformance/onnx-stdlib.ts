/**
 * @file The standard library's composite operators as `call` nodes, built by hand: their bodies are those of `stdlib/`.
 */
import type { Value } from "../../src/ir/graph.ts";
import { Size } from "../../src/ir/size.ts";
import type { Axis } from "../../src/ir/type.ts";
import type { PrimitiveName, Setting } from "../../src/ops/attributes.ts";
import type { Small } from "./onnx-harness.ts";

const two = (b: Small, op: "add" | "sub" | "mul" | "div" | "max" | "pow", x: Value, y: Value | number): Value =>
  b.op(op, [x, typeof y === "number" ? b.number(y) : y], {});
const one = (b: Small, op: "tanh" | "sigmoid" | "erf" | "rsqrt", x: Value): Value => b.op(op as PrimitiveName, [x], {});

const activation =
  (name: string, write: (b: Small, x: Value) => Value) =>
  (g: Small, x: Value): Value =>
    g.call(name, { x }, {}, {}, (b, o) => write(b, o["x"]!));

export const relu = activation("relu", (b, x) => two(b, "max", x, 0));
export const silu = activation("silu", (b, x) => two(b, "mul", x, one(b, "sigmoid", x)));
export const gelu = activation("gelu", (b, x) =>
  two(b, "mul", two(b, "mul", x, 0.5), two(b, "add", one(b, "erf", two(b, "div", x, Math.SQRT2)), 1)),
);
export const geluTanh = activation("gelu_tanh", (b, x) => {
  const inner = two(b, "mul", two(b, "add", x, two(b, "mul", two(b, "pow", x, 3), 0.044715)), Math.sqrt(2 / Math.PI));
  return two(b, "mul", two(b, "mul", x, 0.5), two(b, "add", one(b, "tanh", inner), 1));
});
export const quickGelu = activation("quick_gelu", (b, x) =>
  two(b, "mul", x, one(b, "sigmoid", two(b, "mul", x, 1.702))),
);

export function rmsNorm(g: Small, x: Value, weight: Value, eps: number, d: Axis): Value {
  return g.call("rms_norm", { x, weight }, { eps }, { d }, (b, o) => {
    const mean = b.op("mean", [two(b, "pow", o["x"]!, 2)], { over: [d.name] });
    return two(b, "mul", two(b, "mul", o["x"]!, one(b, "rsqrt", two(b, "add", mean, eps))), o["weight"]!);
  });
}

export function layerNorm(
  g: Small,
  x: Value,
  weight: Value | number,
  shift: Value | number,
  eps: number,
  d: Axis,
): Value {
  const given = {
    x,
    ...(typeof weight === "number" ? {} : { weight }),
    ...(typeof shift === "number" ? {} : { shift }),
  };
  const settings = {
    eps,
    ...(typeof weight === "number" ? { weight } : {}),
    ...(typeof shift === "number" ? { shift } : {}),
  };
  return g.call("layer_norm", given, settings, { d }, (b, o) => {
    const centred = two(b, "sub", o["x"]!, b.op("mean", [o["x"]!], { over: [d.name] }));
    const variance = b.op("mean", [two(b, "pow", centred, 2)], { over: [d.name] });
    const normed = two(b, "mul", centred, one(b, "rsqrt", two(b, "add", variance, eps)));
    return two(b, "add", two(b, "mul", normed, o["weight"] ?? (weight as number)), o["shift"] ?? (shift as number));
  });
}

export interface AttendSettings {
  readonly scale: number;
  readonly softcap: number | null;
}

export function attendSettings({ scale = 0.5, softcap = null }: Partial<AttendSettings>): AttendSettings {
  return { scale, softcap };
}

type AttendOperands = {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly mask?: Value;
  readonly bias?: Value;
};

export function attend(g: Small, operands: AttendOperands, { scale, softcap }: AttendSettings, d: Axis): Value {
  const keys = operands.k.type.axes.find((a) => a.name === "keys")!;
  const settings: Record<string, Setting> = {
    scale,
    softcap,
    ...(operands.mask ? {} : { mask: true }),
    ...(operands.bias ? {} : { bias: 0 }),
  };
  return g.call("attend", { ...operands }, settings, { d, keys }, (b, o) => {
    const scores = two(b, "mul", b.op("dot", [o["q"]!, o["k"]!], { over: [d.name] }), scale);
    const capped = softcap === null ? scores : two(b, "mul", one(b, "tanh", two(b, "div", scores, softcap)), softcap);
    const tilted = two(b, "add", capped, o["bias"] ?? 0);
    const seen = b.op("where", [o["mask"] ?? b.number(1, "bool"), tilted, b.number(-Infinity)], {});
    return b.op("dot", [b.op("softmax", [seen], { over: keys.name }), o["v"]!], { over: [keys.name] });
  });
}

/** Rotary positions over halves, inlined: no backend keeps them whole. */
export function rope(b: Small, x: Value, places: Value, d: Axis, theta = 10_000): Value {
  const half: Axis = { name: "half", size: Size.of(d.size.known! / 2) };
  const index = b.op("position", [], { axis: half, start: Size.ZERO });
  const frequency = b.op("pow", [b.number(theta), two(b, "div", b.op("neg", [index], {}), d.size.known! / 2)], {});
  const angle = two(b, "mul", places, frequency);
  const pairs = b.op("split", [x], { axis: d.name, into: [{ name: "pair", size: Size.of(2) }, half] });
  const p = b.op("pick", [pairs], { axis: "pair", index: 0 });
  const q = b.op("pick", [pairs], { axis: "pair", index: 1 });
  const cos = b.op("cos", [angle], {});
  const sin = b.op("sin", [angle], {});
  const first = two(b, "sub", two(b, "mul", p, cos), two(b, "mul", q, sin));
  const second = two(b, "add", two(b, "mul", q, cos), two(b, "mul", p, sin));
  return b.op("merge", [b.op("stack", [first, second], { axis: "pair" })], { axes: ["pair", "half"], into: d.name });
}

/** Pairs of coordinates turned by their angles, as a whole. */
export function turned(g: Small, x: Value, cosine: Value, sine: Value, neighbours: boolean, d: Axis): Value {
  const half: Axis = { name: "half", size: Size.of(d.size.known! / 2) };
  const pair: Axis = { name: "pair", size: Size.of(2) };
  return g.call("turned", { x, cosine, sine }, { neighbours }, { d, half }, (b, o) => {
    const pairs = b.op("split", [o["x"]!], { axis: d.name, into: neighbours ? [half, pair] : [pair, half] });
    const [p, q] = [0, 1].map((index) => b.op("pick", [pairs], { axis: "pair", index })) as [Value, Value];
    const first = two(b, "sub", two(b, "mul", p, o["cosine"]!), two(b, "mul", q, o["sine"]!));
    const second = two(b, "add", two(b, "mul", q, o["cosine"]!), two(b, "mul", p, o["sine"]!));
    const both = b.op("stack", [first, second], { axis: "pair" });
    return b.op("merge", [both], { axes: neighbours ? ["half", "pair"] : ["pair", "half"], into: d.name });
  });
}

/** The first coordinates turned, as many as the angles are for. */
export function turnedPartly(g: Small, x: Value, cosine: Value, sine: Value, neighbours: boolean, d: Axis): Value {
  const half = cosine.type.axes.at(-1)!;
  const turning: Axis = { name: "turning", size: Size.of(2 * half.size.known!) };
  const still: Axis = { name: "still", size: Size.of(d.size.known! - turning.size.known!) };
  return g.call("turned_partly", { x, cosine, sine }, { neighbours }, { d, half, turning, still }, (b, o) => {
    const part = (start: Size, { name, size }: Axis): Value =>
      b.op("rename", [b.op("slice", [o["x"]!], { axis: d.name, start, size })], { from: d.name, to: name });
    const made = turned(b, part(Size.ZERO, turning), o["cosine"]!, o["sine"]!, neighbours, turning);
    const rest = part(turning.size, still);
    return b.op("concat", [made, rest], { axes: [turning.name, still.name], into: d.name });
  });
}
