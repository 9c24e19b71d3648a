/** @file Operators with bodies: layers in a row, and composite operators. The evaluator runs the bodies itself. */
import type { Primitive } from "./op.ts";

const repeat: Primitive<"repeat"> = {
  name: "repeat",
  doc:
    "Runs a body `count` times, each time on what the last one gave; parameters of the body exist once an iteration. " +
    "`layers: decoder x32 < ... >` is a repeat of 32 with one body. The schedule says which body each iteration runs.",
  operands: ["carried...", "captured..."],
  traits: [],
  constraints: {
    carried: "each body gives back the types of the carried operands",
    schedule: "it names a body for each iteration",
  },
  infer: (inputs, { carried }) => ({ types: inputs.slice(0, carried) }),
};

const call: Primitive<"call"> = {
  name: "call",
  doc: "A composite operator, applied: its body is its meaning, and a backend with a kernel for its name may use that. `rms_norm(x, weight, eps)`.",
  operands: ["operands..."],
  traits: [],
  constraints: { operands: "they have the types of the body's inputs" },
  infer: (_inputs, _attrs, bodies) => ({ types: bodies[0]!.outputs.map((o) => o.value.type) }),
};

export const bodies = { repeat, call };
