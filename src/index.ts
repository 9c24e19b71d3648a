/** @file The library: what a program may import from this package. */
export { checkAll, elaborate, prepare, syntaxOf } from "./compile.ts";
export type { Elaborated, InputDefault, Json, Library, PrepareOptions, SourceRequest, TypeNote } from "./compile.ts";
export type { Diagnostic, Fix, Related, Result, Severity } from "./diagnostics/diagnostic.ts";
export { render, toJson } from "./diagnostics/render.ts";
export type { JsonDiagnostic, RenderOptions } from "./diagnostics/render.ts";
export { library } from "./host/stdlib.ts";
export { restoreSyntax, storeSyntax } from "./syntax/stored.ts";
export { emitOnnx } from "./backends/onnx/emit.ts";
export type { OnnxArtifact, OnnxOptions } from "./backends/onnx/emit.ts";
export { keeps } from "./backends/onnx/kernels.ts";
export { printOnnx } from "./backends/onnx/print.ts";
export { printGraph } from "./ir/print.ts";
export type { Graph, VerifiedGraph } from "./ir/graph.ts";
export type { SourceFile, Span } from "./source/source.ts";
export type { Checkpoint, StoredTensor, WeightMap, WeightSource } from "./weights/source.ts";
