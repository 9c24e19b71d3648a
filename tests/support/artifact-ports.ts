/** @file The ports of a record from what a backend has emitted, without a program: for tests of graphs made by hand. */
import type { InputDefault } from "../../src/compile.ts";
import type { Port, Signature } from "../../src/backends/backend.ts";
import type { ArtifactAxis, ArtifactPort, ArtifactRecord, ArtifactState, PortDefault } from "../../src/host/record.ts";

export interface PortOptions {
  /** What is handed on, with the names at the boundary. */
  readonly states: readonly { readonly pastName: string; readonly presentName: string }[];
  /** By name at the boundary. */
  readonly defaults: ReadonlyMap<string, InputDefault>;
  /** Of inputs that are looked up in a table: its size. */
  readonly below?: ReadonlyMap<string, number>;
}

/** The inputs, outputs and states of a record. */
export function artifactPorts(
  signature: Signature,
  { states, defaults, below }: PortOptions,
): Pick<ArtifactRecord, "inputs" | "outputs" | "states"> {
  const pasts = new Map(states.map((s) => [s.pastName, s.presentName]));
  const presents = new Set(pasts.values());
  const portOf = (p: Port): ArtifactPort => {
    const given = defaults.get(p.name);
    const limit = below?.get(p.name);
    return {
      name: p.name,
      dtype: p.dtype,
      axes: axesOf(p),
      ...(given === undefined ? {} : { default: defaultOf(given) }),
      ...(limit === undefined ? {} : { below: limit }),
    };
  };
  const stateOf = (p: Port): ArtifactState => ({
    past: p.name,
    present: pasts.get(p.name)!,
    axes: axesOf(p),
    ...(p.dtype === "float32" ? {} : { dtype: p.dtype }),
  });
  return {
    inputs: signature.inputs.filter((p) => !pasts.has(p.name)).map(portOf),
    outputs: signature.outputs
      .filter((p) => !presents.has(p.name))
      .map((p) => ({ name: p.name, dtype: p.dtype, axes: axesOf(p) })),
    states: signature.inputs.filter((p) => pasts.has(p.name)).map(stateOf),
  };
}

function axesOf(port: Port): ArtifactAxis[] {
  return port.dims.map((d) => (typeof d === "number" ? { name: String(d), size: d } : { name: d }));
}

function defaultOf(given: InputDefault): PortDefault {
  return given === 1 ? "ones" : given === 0 ? "zeros" : given;
}
