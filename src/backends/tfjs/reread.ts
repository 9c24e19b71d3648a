/** @file Reads a written `model.json` again and checks that it hangs together: what the loader would otherwise find, or not. */
import type { Signature } from "../backend.ts";
import { SHARD_BYTES, type ModelJson, type NodeDef, type WeightEntry } from "./graph-def.ts";

export interface Expected {
  readonly signature: Signature;
  /** The size in bytes of a file beside the model; undefined where there is none. */
  readonly fileSize: (name: string) => number | undefined;
}

const plain = (ref: string): string => ref.replace(/:\d+$/, "");

const WIDTH = { float32: 4, int32: 4, bool: 1, float16: 2, uint8: 1 } as const;

/** What is wrong, as sentences for the compiler's authors; nothing where it is sound. */
export function rereadTfjs(text: string, { signature, fileSize }: Expected): readonly string[] {
  const model = JSON.parse(text) as ModelJson;
  const problems: string[] = [];
  const weights = new Set(model.weightsManifest.flatMap((g) => g.weights.map((w) => w.name)));
  const follow = (nodes: readonly NodeDef[], made: Set<string>): void => {
    for (const { name, op, input = [] } of nodes) {
      if (made.has(name)) problems.push(`there are two nodes ${name}`);
      for (const operand of input)
        if (!made.has(plain(operand))) problems.push(`${name} reads ${operand} before it is made`);
      if ((op === "Const") !== weights.has(name)) problems.push(`${name} (${op}) and the manifest disagree`);
      made.add(name);
    }
  };
  const made = new Set<string>();
  follow(model.modelTopology.node, made);
  for (const { signature: own, nodeDef, ret } of model.modelTopology.library.function ?? []) {
    const inside = new Set(own.inputArg.map((a) => a.name));
    follow(nodeDef, inside);
    for (const { name } of own.outputArg)
      if (!inside.has(plain(ret[name] ?? ""))) problems.push(`${own.name} gives ${ret[name]}, which nothing makes`);
  }
  for (const side of ["inputs", "outputs"] as const) {
    const found = Object.keys(model.signature[side]);
    const wanted = signature[side].map((p) => p.name);
    if (found.join("\n") !== wanted.join("\n")) problems.push(`the ${side} are ${found.join(", ")}`);
    for (const name of found) if (!made.has(name)) problems.push(`no node is called ${name}`);
  }
  for (const { paths, weights: entries } of model.weightsManifest) {
    const bytes = entries.reduce((n, w) => n + bytesOf(w), 0);
    paths.forEach((path, i) => {
      const size = i < paths.length - 1 ? SHARD_BYTES : bytes - SHARD_BYTES * (paths.length - 1);
      if (fileSize(path) !== size) problems.push(`${path} has ${fileSize(path)} bytes, and ${size} belong into it`);
    });
  }
  return problems;
}

function bytesOf({ shape, dtype, quantization }: WeightEntry): number {
  return shape.reduce((n, d) => n * d, WIDTH[quantization?.dtype ?? dtype]);
}
