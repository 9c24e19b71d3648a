/**
 * @file `tfm-lang/testing`: property tests of programs and models with fast-check, in any test runner.
 *
 * - `programs()`, `expressions()`, `sizes()`, `weights(model)`, `inputs(model)` are arbitraries. They are constructive: what they draw is well
 *   typed, nothing is filtered, and what fails shrinks to a small program.
 * - `model(text)` elaborates; `expectEquivalent(a, b)` throws where two models differ, with a counterexample; `expectLaw(text)` holds a law.
 * - `run(model, feed)` computes a model in float64 by the meanings of its operators.
 */
export { expressions, inputs, programs, sizes, weights } from "./arbitraries.ts";
export type { ProgramOptions, TensorOptions } from "./arbitraries.ts";
export { expectEquivalent, expectLaw, model, optimized, run } from "./expect.ts";
export type { EquivalentOptions, Feed, LawOptions, ModelLike, ModelOptions } from "./expect.ts";
