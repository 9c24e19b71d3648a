/** @file Operators that make values from nothing: constants, places, sizes. */
import type { Primitive } from "./op.ts";
import { result } from "./rules.ts";
import { zeros } from "./tensor.ts";

const constant: Primitive<"constant"> = {
  name: "constant",
  doc: "One number, without axes: it is the same everywhere. `0.5` in a program is constant(value=0.5, dtype=float).",
  operands: [],
  traits: [],
  constraints: {},
  infer: (_, { dtype }) => result(dtype, []),
  evaluate(run, _, { value, dtype }) {
    const data = zeros(run, dtype, 1);
    data[0] = dtype === "float" ? run.arithmetic.of(value) : (value as never);
    return [{ dtype, axes: [], data }];
  },
};

const position: Primitive<"position"> = {
  name: "position",
  doc: "The places along an axis as ints: start, start + 1, ... `position(seq)` for three places from 0 is [0, 1, 2].",
  operands: [],
  traits: [],
  constraints: {},
  infer: (_, { axis }) => result("int", [axis]),
  evaluate(run, _, attrs) {
    const size = run.size(attrs.axis.size);
    const start = run.size(attrs.start);
    return [
      {
        dtype: "int",
        axes: [{ name: attrs.axis.name, size }],
        data: Float64Array.from({ length: size }, (_x, i) => start + i),
      },
    ];
  },
};

const size: Primitive<"size"> = {
  name: "size",
  doc: "A size as an int without axes. `size(seq)` for a sequence of seven tokens is 7.",
  operands: [],
  traits: [],
  constraints: {},
  infer: () => result("int", []),
  evaluate: (run, _, { of }) => [{ dtype: "int", axes: [], data: Float64Array.of(run.size(of)) }],
};

export const sources = { constant, position, size };
