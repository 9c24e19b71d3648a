/** @file Small whole models, built by hand as the pipeline would hand them to a backend. */
import type { Value } from "../../src/ir/graph.ts";
import { axis, sizeOf, Small, type } from "./onnx-harness.ts";
import { attend, attendSettings, rmsNorm, rope, silu } from "./onnx-stdlib.ts";

/** Two layers of grouped-query attention with rotary positions and a cache, as the pipeline would hand them over. */
export function cachedModel(layers = 2): Small {
  const g = new Small("cached");
  g.sizeNames.set("batch", "batch_size").set("seq", "sequence_length").set("past", "past_sequence_length");
  const tokens = g.in("tokens", "int", "batch", "seq");
  const open = g.in("attention_mask", "bool", "batch", "keys=past + seq");
  const table = g.weight("words.weight", "vocab=11", "hidden=12");
  const places = g.op("position", [], { axis: axis("seq"), start: sizeOf("past") });
  const keyPlaces = g.op("position", [], { axis: axis("keys=past + seq"), start: sizeOf("0") });
  const mask = g.op("and", [g.op("less_equal", [keyPlaces, places], {}), open], {});
  const x = g.op("lookup", [table, tokens], { axis: "vocab" });

  const b = new Small("layer", g);
  const h = b.input("x", x.type);
  const m = b.input("mask", mask.type);
  const p = b.input("places", places.type);
  const hidden = axis("hidden=12");
  const linear = (v: Value, path: string, from: string, ...out: string[]): Value =>
    b.op(
      "dot",
      [b.op("rename", [v], { from, to: `${from}'` }), b.weight(path, ...out, `${from}'=${from === "inner" ? 20 : 12}`)],
      { over: [`${from}'`] },
    );
  const n = rmsNorm(b, h, b.weight("layers.{0}.norm.weight", "hidden=12"), 1e-5, hidden);
  const q = rope(b, linear(n, "layers.{0}.q.weight", "hidden", "kv=2", "groups=2", "d=4"), p, axis("d=4"));
  const k = rope(b, linear(n, "layers.{0}.k.weight", "hidden", "kv=2", "d=4"), p, axis("d=4"));
  const v = linear(n, "layers.{0}.v.weight", "hidden", "kv=2", "d=4");
  const cached = (fresh: Value, name: string): Value => {
    const past = b.adopt({ id: 1_000_000 + b.states.length, type: type("float", "batch", "kv=2", "past", "d=4") });
    const present = b.op("concat", [past, fresh], { axes: ["past", "seq"], into: "keys" });
    b.states.push({
      path: `layers.{0}.${name}`,
      pastName: `past_key_values.{0}.${name}`,
      presentName: `present.{0}.${name}`,
      past,
      present,
    });
    return present;
  };
  const y = attend(b, { q, k: cached(k, "key"), v: cached(v, "value"), mask: m }, attendSettings({}), axis("d=4"));
  const mixed = b.op("merge", [y], { axes: ["kv", "groups", "d"], into: "mixed" });
  const r = b.op(
    "add",
    [h, b.op("dot", [mixed, b.weight("layers.{0}.out.weight", "hidden=12", "mixed=16")], { over: ["mixed"] })],
    {},
  );
  const n2 = rmsNorm(b, r, b.weight("layers.{0}.norm2.weight", "hidden=12"), 1e-5, hidden);
  const gated = b.op(
    "mul",
    [
      silu(b, linear(n2, "layers.{0}.gate.weight", "hidden", "inner=20")),
      linear(n2, "layers.{0}.up.weight", "hidden", "inner=20"),
    ],
    {},
  );
  b.output("x", b.op("add", [r, linear(gated, "layers.{0}.down.weight", "inner", "hidden=12")], {}));

  const last = g.op(
    "repeat",
    [x, mask, places],
    { label: "layers", count: layers, carried: 1, schedule: Array.from({ length: layers }, () => 0) },
    [b.build()],
  );
  g.out(
    "logits",
    g.op("dot", [rmsNorm(g, last, g.weight("norm.weight", "hidden=12"), 1e-5, hidden), table], { over: ["hidden"] }),
  );
  return g;
}
