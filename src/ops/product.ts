/** @file The sum of products, arranged so that its inner loop runs over two stretches of memory. */
import type { Evaluation, Tensor } from "./op.ts";
import { arrange, count, zeros, type ConcreteAxes } from "./tensor.ts";

/**
 * Sum over the axes `over` of a times b, both of one dtype. Axes of the result: those of a that are left, then those of b that a lacks.
 * Inside, operands are matrices [batch, rows, length] and [batch, columns, length], where `batch` are the axes that both keep.
 */
export function product<S>(run: Evaluation<S>, a: Tensor<S>, b: Tensor<S>, over: readonly string[]): Tensor<S> {
  const has = (t: Tensor<S>, name: string): boolean => t.axes.some((x) => x.name === name);
  const left = a.axes.filter((x) => !over.includes(x.name));
  const batch = left.filter((x) => has(b, x.name));
  const rows = left.filter((x) => !has(b, x.name));
  const columns = b.axes.filter((x) => !over.includes(x.name) && !has(a, x.name));
  const inner = a.axes.filter((x) => over.includes(x.name));
  const sizes = { batch: count(batch), rows: count(rows), columns: count(columns), length: count(inner) };

  const x = arrange(run, a, [...batch, ...rows, ...inner]);
  const y = arrange(run, b, [...batch, ...columns, ...inner]);
  const out = zeros(run, a.dtype, sizes.batch * sizes.rows * sizes.columns);
  const plain = a.dtype === "int" || run.arithmetic.native;
  if (plain) multiplyNumbers(x as never, y as never, out as never, sizes);
  else multiply(run, x, y, out, sizes);

  const made: Tensor<S> = { dtype: a.dtype, axes: [...batch, ...rows, ...columns], data: out };
  const axes: ConcreteAxes = [...left, ...columns];
  return { dtype: a.dtype, axes, data: arrange(run, made, axes) };
}

interface Sizes {
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly length: number;
}

function multiplyNumbers(
  x: Float64Array,
  y: Float64Array,
  out: Float64Array,
  { batch, rows, columns, length }: Sizes,
): void {
  let at = 0;
  for (let i = 0; i < batch; i++)
    for (let r = 0; r < rows; r++) {
      const row = (i * rows + r) * length;
      for (let c = 0; c < columns; c++) {
        const column = (i * columns + c) * length;
        let sum = 0;
        for (let k = 0; k < length; k++) sum += x[row + k]! * y[column + k]!;
        out[at++] = sum;
      }
    }
}

function multiply<S>(
  run: Evaluation<S>,
  x: ArrayLike<S>,
  y: ArrayLike<S>,
  out: { [i: number]: S },
  { batch, rows, columns, length }: Sizes,
): void {
  const { arithmetic } = run;
  let at = 0;
  for (let i = 0; i < batch; i++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) {
        let sum = arithmetic.of(0);
        for (let k = 0; k < length; k++) {
          sum = arithmetic.add(
            sum,
            arithmetic.mul(x[(i * rows + r) * length + k]!, y[(i * columns + c) * length + k]!),
          );
        }
        out[at++] = sum;
      }
}
