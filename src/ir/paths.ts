/** @file Paths of parameters and states inside repeats: `{0}` stands for the index in the outermost one. */

/** The path of one iteration: `layers.{0}.norm.weight` in iteration 3 is `layers.3.norm.weight`. */
export function concretePath(path: string, iterations: readonly number[]): string {
  return path.replace(/\{(\d+)\}/g, (whole, index: string) => String(iterations[Number(index)] ?? whole));
}
