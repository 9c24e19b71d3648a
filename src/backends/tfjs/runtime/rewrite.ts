/** @file Puts fused nodes into a graph: each stands where the tensor stood that it equals, for all who read that. */
import type { Fusion } from "../fusions.ts";
import type { AttrValue, ModelJson, NodeDef } from "../graph-def.ts";
import { GIVEN } from "./kernels/register.ts";

/** The model with these fusions in it. Nodes that nobody reads any more stay: the executor runs only what an output needs. */
export function withFusions(model: ModelJson, fusions: readonly Fusion[]): ModelJson {
  const instead = new Map(fusions.map((f) => [plain(f.output), fusedName(f)]));
  const renamed = (ref: string): string => (ref.startsWith("^") ? ref : (instead.get(plain(ref)) ?? ref));
  const nodes = [...model.modelTopology.node, ...fusions.map(nodeOf)].map((n): NodeDef =>
    n.input ? { ...n, input: n.input.map(renamed) } : n,
  );
  const outputs = Object.fromEntries(
    Object.entries(model.signature.outputs).map(([key, info]) => [
      key,
      instead.has(plain(info.name)) ? { ...info, name: `${instead.get(plain(info.name))!}:0` } : info,
    ]),
  );
  return {
    ...model,
    signature: { ...model.signature, outputs },
    modelTopology: { ...model.modelTopology, node: nodes },
  };
}

const plain = (ref: string): string => ref.replace(/:0$/, "");
const fusedName = ({ op, output }: Fusion): string => `${plain(output).replace(":", "_")}/${op}`;

function nodeOf(fusion: Fusion): NodeDef {
  const inputs: readonly (string | null)[] = fusion.inputs;
  return {
    name: fusedName(fusion),
    op: fusion.op,
    input: inputs.filter((i) => i !== null),
    attr: {
      [GIVEN]: text(inputs.map((i) => (i === null ? "0" : "1")).join("")),
      ...Object.fromEntries(
        Object.entries(fusion.attrs as Readonly<Record<string, number | string | null>>).flatMap(([key, value]) =>
          value === null ? [] : [[key, typeof value === "string" ? text(value) : { f: value }]],
        ),
      ),
    },
  };
}

/** Texts are in base64, and become lower-case when they are read. */
const text = (s: string): AttrValue => ({ s: btoa(s) });
