/** @file Functions that JavaScript lacks, in float64. */

// Coefficients of the rational Chebyshev approximations of W. J. Cody, "Rational Chebyshev approximations for the error
// function", Mathematics of Computation 23 (1969); as in CALERF of SPECFUN (netlib). Relative error below 1e-15.
const SMALL_OVER = [
  1.85777706184603153e-1, 3.1611237438705656, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3,
];
const SMALL_UNDER = [1, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3];
const MIDDLE_OVER = [
  2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1, 2.98635138197400131e2,
  8.8195222124176909e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
];
const MIDDLE_UNDER = [
  1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3, 3.29079923573345963e3,
  4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
];
const LARGE_OVER = [
  1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
  1.60837851487422766e-2, 6.58749161529837803e-4,
];
const LARGE_UNDER = [
  1, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3,
];

/** The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export function erf(x: number): number {
  const y = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (y <= 0.46875) return (x * horner(SMALL_OVER, y * y)) / horner(SMALL_UNDER, y * y);
  const far = y <= 4 ? farMiddle(y) : farLarge(y);
  return x < 0 ? far - 1 : 1 - far;
}

/** 1 - erf(y) for 0.46875 <= y <= 4. */
function farMiddle(y: number): number {
  return (Math.exp(-y * y) * horner(MIDDLE_OVER, y)) / horner(MIDDLE_UNDER, y);
}

/** 1 - erf(y) for y > 4; from 6 on it is below the spacing of floats around one. */
function farLarge(y: number): number {
  if (y > 6) return 0;
  const inverse = 1 / (y * y);
  const series = (inverse * horner(LARGE_OVER, inverse)) / horner(LARGE_UNDER, inverse);
  return (Math.exp(-y * y) / y) * (1 / Math.sqrt(Math.PI) - series);
}

/** The polynomial with these coefficients, the highest power first. */
function horner(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, c) => sum * x + c, 0);
}

/** To the nearest integer, halves to the even one, as IEEE 754 and ONNX round. */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}
