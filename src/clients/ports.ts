/** @file Checks what a model takes and gives by a client's rules. */
import { diagnose, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { layersOf, type LayerStates, type ModelFacts, type PortFacts } from "./facts.ts";
import type { ClientRules, RoleRules, StateRules } from "./rules.ts";

export interface PortCheck {
  readonly client: ClientRules;
  readonly role: RoleRules;
  readonly model: ModelFacts;
  /** As messages call the model's file. */
  readonly file: string;
  /** Names of the states, where the config states them. */
  readonly states?: StateRules | undefined;
}

export interface CheckedPorts {
  readonly layers: readonly LayerStates[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Inputs that are fed, outputs that are read, states whose empty cache the client can build. */
export function checkPorts({ client, role, model, file, states = role.states }: PortCheck): CheckedPorts {
  const { layers, inputs } = states ? layersOf(model, states) : { layers: [], inputs: model.inputs };
  const fed = inputs.flatMap((port) => inputProblem(port, client, role, file));
  const unread = diagnose("client/output", { client: client.title, model: file, wanted: role.outputs });
  const read = model.outputs.some((o) => role.outputs.includes(o.name))
    ? []
    : // Whoever generates has to have scores; what else a model puts out a program may read by itself.
      [states ? { ...unread, severity: "error" as const } : unread];
  const kept = states ? layers.flatMap((layer) => stateProblems(layer, states, client, file)) : [];
  return { layers, diagnostics: [...fed, ...read, ...firstOfEach(kept)] };
}

function inputProblem(port: PortFacts, client: ClientRules, role: RoleRules, file: string): Diagnostic[] {
  const rank = Object.hasOwn(role.inputs, port.name) ? role.inputs[port.name] : undefined;
  const said = (reason: string): Diagnostic[] => [
    diagnose("client/input", { client: client.title, model: file, port: port.name, reason }, undefined, {
      hint: `it feeds ${Object.keys(role.inputs).join(", ")}; \`tfm run\` feeds every input`,
    }),
  ];
  if (rank === undefined) return said("it knows no input of that name");
  if (port.dims.length !== rank) return said(`it has ${port.dims.length} axes, and the client gives ${rank}`);
  return [];
}

function stateProblems(layer: LayerStates, rules: StateRules, client: ClientRules, file: string): Diagnostic[] {
  const missing = (["past", "present"] as const).flatMap((side) =>
    rules[side].flatMap((pattern, i) => {
      if (layer[side][i]) return [];
      const name = pattern.replace("%d", String(layer.layer));
      return [diagnose("client/state", { client: client.title, model: file, name, layer: layer.layer })];
    }),
  );
  const axes = layer.past.flatMap((port) => (port ? axisProblems(port, rules, client, file) : []));
  return [...missing, ...axes];
}

function axisProblems(port: PortFacts, rules: StateRules, client: ClientRules, file: string): Diagnostic[] {
  const said = (axis: number, wanted: string): Diagnostic => {
    const dim = port.dims[axis];
    const found = dim === undefined ? "not said" : typeof dim === "string" ? `called ${dim}` : String(dim);
    return diagnose(
      "client/cache-axis",
      { client: client.title, model: file, port: port.name, axis, found, wanted },
      undefined,
      {
        hint: `${client.title} would take it for 0 and begin with a cache that holds nothing`,
      },
    );
  };
  const rows = port.dims[0];
  return [
    ...rules.fixed.filter((axis) => typeof port.dims[axis] !== "number").map((axis) => said(axis, "a number")),
    ...(rules.batch !== undefined && typeof rows !== "number" && rows !== rules.batch
      ? [said(0, `called ${rules.batch}`)]
      : []),
    ...(typeof port.dims[rules.along] === "number" ? [said(rules.along, "a name: it grows")] : []),
  ];
}

/** Sixty layers have the same mistake; it is said of the first. */
function firstOfEach(problems: readonly Diagnostic[]): readonly Diagnostic[] {
  const seen = new Set<string>();
  return problems.filter((p) => {
    const key = `${p.code} ${p.message.replace(/\d+/g, "#")}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
