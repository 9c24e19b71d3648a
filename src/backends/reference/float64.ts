/** @file The arithmetic in which the reference runs. */
export { float64 } from "../../ops/float64.ts";
