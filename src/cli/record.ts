/** @file What `tfm.json` says of a compiled model: its ports with their axes, defaults and states. */
import { concreteStates, isGiven, isHanded, isMade, presentType } from "../ir/states.ts";
import type { Port, Signature } from "../backends/backend.ts";
import type { OnnxCache } from "../backends/onnx/emit.ts";
import type { InputDefault, Prepared } from "../compile.ts";
import type { ArtifactSignature } from "../host/record.ts";
import type { ArtifactAxis, ArtifactPort, ArtifactState, PortDefault } from "../host/artifact.ts";
import { asWhole, type HandedState } from "../generate/whole.ts";
import type { Type } from "../ir/type.ts";
import type { Part } from "./parts.ts";
import type { Run } from "./self-check.ts";
import { isCausal } from "../passes/causal.ts";
import { Size } from "../ir/size.ts";
import { lengthBounds, tableBounds } from "../ir/tables.ts";

export interface Ports {
  readonly inputs: readonly ArtifactPort[];
  readonly outputs: readonly ArtifactPort[];
  readonly states: readonly ArtifactState[];
  readonly count?: string;
  readonly causal?: true;
  readonly narrow?: true;
  readonly limits?: NonNullable<ArtifactSignature["limits"]>;
}

export function portsOf(
  { graph, inputDefaults }: Prepared,
  signature: Signature,
  { cache, isNarrow }: { readonly cache?: OnnxCache | undefined; readonly isNarrow?: boolean } = {},
): Ports {
  const ports = new Map([...signature.inputs, ...signature.outputs].map((p) => [p.name, p]));
  const bounds = tableBounds(graph);
  const port = (name: string, type: Type): ArtifactPort => ({
    name,
    dtype: ports.get(name)!.dtype,
    axes: axesOf(type, ports.get(name)!),
  });
  const counts = signature.inputs.filter((p) => p.name === cache?.count);
  const states = concreteStates(graph);
  return {
    inputs: [
      ...graph.inputs.map((i): ArtifactPort => {
        const name = i.outside ?? i.name;
        const given = inputDefaults.get(name);
        const below = bounds.get(i.value.id)?.known;
        return {
          ...port(name, i.value.type),
          ...(given === undefined ? {} : { default: defaultOf(given) }),
          ...(below === undefined ? {} : { below }),
        };
      }),
      ...states.filter(isGiven).map((s) => port(s.pastName, s.past.type)),
      ...counts.map(({ name, dtype }): ArtifactPort => ({
        name,
        dtype,
        axes: [{ name: "1", size: 1 }],
        default: "zeros",
      })),
    ],
    outputs: [
      ...graph.outputs.map((o) => port(o.outside ?? o.name, o.value.type)),
      ...states.filter(isMade).map((s) => port(s.presentName, presentType(s))),
    ],
    states: states.filter(isHanded).map((s) => {
      const { axes, dtype } = port(s.pastName, s.past.type);
      const rows = cache?.rows.get(s.pastName);
      return rows
        ? {
            past: s.pastName,
            present: rows.output,
            axes,
            dtype,
            rows: { index: rows.index, axis: rows.axis, ...(rows.spare ? { spare: true as const } : {}) },
          }
        : {
            past: s.pastName,
            present: s.presentName,
            axes,
            dtype,
            ...(cache?.shared.has(s.pastName) ? { shared: true as const } : {}),
          };
    }),
    ...(cache?.count === undefined ? {} : { count: cache.count }),
    ...(isCausal(graph) ? { causal: true as const } : {}),
    ...(isNarrow ? { narrow: true as const } : {}),
    ...limitsOf(graph),
  };
}

/** By the names of sizes at the boundary. */
function limitsOf(graph: Prepared["graph"]): Pick<ArtifactSignature, "limits"> {
  const limits = lengthBounds(graph).map(({ size, most }) => {
    const names = new Map([...size.symbols].map((s) => [s, Size.symbol(graph.sizeNames.get(s) ?? s)]));
    return { size: size.substitute(names).toString(), most };
  });
  return limits.length > 0 ? { limits } : {};
}

/** A way to run the model that takes whole pasts and gives whole presents, in whatever form it hands them on. */
export function wholeRun(run: Run, { prepared: { graph }, cache }: Pick<Part, "prepared" | "cache">): Run {
  if (!cache) return run;
  const states = concreteStates(graph)
    .filter(isHanded)
    .map((s): HandedState => {
      const rows = cache.rows.get(s.pastName);
      const present = rows?.output ?? s.presentName;
      return { past: s.pastName, present, whole: s.presentName, rows, shared: cache.shared.get(s.pastName) };
    });
  return asWhole(run, states, cache.count);
}

function axesOf(type: Type, port: Port): readonly ArtifactAxis[] {
  return type.axes.map((a, i) => {
    const dim = port.dims[i]!;
    return typeof dim === "number" ? { name: a.name, size: dim } : { name: dim };
  });
}

function defaultOf(given: InputDefault): PortDefault {
  return given === 1 ? "ones" : given === 0 ? "zeros" : given;
}
