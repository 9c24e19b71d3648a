/** @file What writes and prints ONNX, with its protobuf classes: fetched when it is asked for. */
export { emitOnnx } from "../../backends/onnx/emit.ts";
export { printOnnx } from "../../backends/onnx/print.ts";
