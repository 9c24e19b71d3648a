/** @file Why operands of an operator do not fit, as a diagnostic at the place that applied it. */
import type { Code, Extras, ParamsOf } from "../diagnostics/diagnostic.ts";
import { showType, type Type } from "../ir/type.ts";
import type { Problem } from "../ops/op.ts";
import type { Span } from "../source/source.ts";

type Report = <C extends Code>(code: C, params: ParamsOf<C>, span: Span, extras?: Extras) => unknown;

/** Reports a problem at `span`, or that of operand i at `places[i]`, where given. `types` are the operands'. */
export function explainProblem(
  fail: Report,
  problem: Problem,
  types: readonly Type[],
  span: Span,
  places: readonly Span[] = [],
): void {
  const operand = (i: number): string => (types[i] ? showType(types[i]!) : "nothing");
  const at = (i: number): Span => places[i] ?? span;
  switch (problem.kind) {
    case "axis-missing":
      fail("axis/missing", { axis: problem.axis, type: operand(problem.operand) }, at(problem.operand), {
        hint: `it has the axes ${types[problem.operand]?.axes.map((a) => a.name).join(", ") || "(none)"}`,
      });
      return;
    case "axis-sizes":
      fail(
        "axis/two-sizes",
        { axis: problem.axis, first: problem.first.size.toString(), second: problem.second.size.toString() },
        span,
        {
          related: [
            ...(problem.first.origin
              ? [
                  {
                    span: problem.first.origin,
                    message: `${problem.axis} is ${problem.first.size.toString()} from here`,
                  },
                ]
              : []),
            ...(problem.second.origin
              ? [{ span: problem.second.origin, message: `and ${problem.second.size.toString()} from here` }]
              : []),
          ],
          hint: `the two sides are ${operand(problem.operands[0])} and ${operand(problem.operands[1])}; rename one axis (\`x[${problem.axis} -> other]\`) if they are not the same thing`,
        },
      );
      return;
    case "axis-twice":
      fail("axis/twice", { axis: problem.axis }, span, {
        hint: `rename one of them first: \`x[${problem.axis} -> other]\``,
      });
      return;
    case "dtype":
      fail("type/dtype", { expected: problem.expected.join(" or "), found: problem.found }, at(problem.operand));
      return;
    case "split-size": {
      const parts = problem.parts.map((p) => p.size.toString()).join(" * ");
      fail("axis/split-size", { axis: problem.axis.name, size: problem.axis.size.toString(), parts }, span, {
        related: problem.axis.origin
          ? [{ span: problem.axis.origin, message: `${problem.axis.name} comes from here` }]
          : [],
      });
      return;
    }
    case "out-of-range":
      fail(
        "axis/out-of-range",
        {
          axis: problem.axis.name,
          size: problem.axis.size.toString(),
          start: problem.start.toString(),
          end: problem.end.toString(),
        },
        span,
      );
      return;
  }
}
