/** @file What `tfm.json` says of a compiled model: its ports with their axes, defaults and states. */
import type { Port, Signature } from "../backends/backend.ts";
import { concreteStates } from "../backends/onnx/emit.ts";
import type { InputDefault, Prepared, SourceRequest } from "../compile.ts";
import {
  hashOf,
  type ArtifactAxis,
  type ArtifactPort,
  type ArtifactState,
  type PortDefault,
} from "../host/artifact.ts";
import type { Type } from "../ir/type.ts";
import { tableBounds } from "./sample.ts";

export interface Ports {
  readonly inputs: readonly ArtifactPort[];
  readonly outputs: readonly ArtifactPort[];
  readonly states: readonly ArtifactState[];
}

export function portsOf({ graph, inputDefaults }: Prepared, signature: Signature): Ports {
  const ports = new Map([...signature.inputs, ...signature.outputs].map((p) => [p.name, p]));
  const bounds = tableBounds(graph);
  const port = (name: string, type: Type): ArtifactPort => ({
    name,
    dtype: ports.get(name)!.dtype,
    axes: axesOf(type, ports.get(name)!),
  });
  return {
    inputs: graph.inputs.map((i) => {
      const name = i.outside ?? i.name;
      const given = inputDefaults.get(name);
      const below = bounds.get(i.value.id)?.known;
      return {
        ...port(name, i.value.type),
        ...(given === undefined ? {} : { default: defaultOf(given) }),
        ...(below === undefined ? {} : { below }),
      };
    }),
    outputs: graph.outputs.map((o) => port(o.outside ?? o.name, o.value.type)),
    states: concreteStates(graph).map((s) => {
      const { axes, dtype } = port(s.pastName, s.past.type);
      return { past: s.pastName, present: s.presentName, axes, dtype };
    }),
  };
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

/** Of everything that the user gave: programs, config, settings. */
export function sourceHash({ main, uses, config, model, settings }: SourceRequest): string {
  return hashOf([
    main?.text ?? "",
    ...uses.map((u) => u.text),
    JSON.stringify(config?.value ?? null),
    model ?? "",
    ...settings.map((s) => `${s.name}=${s.text}`),
  ]);
}
