/** @file Rows of tokens as the inputs of a model that reads them all at once: padded at the end, with the mask and the segments that it takes. */
import type { FormedRow } from "./forms.ts";
import { filledWith, type Numbers } from "./session.ts";
import type { Port, PortDtype } from "./signature.ts";

export interface FilledInput {
  readonly dtype: PortDtype;
  readonly dims: readonly number[];
  readonly data: Numbers;
}

/**
 * Inputs by their names, of texts that are one row each, or several where the model reads several texts together ([batch, choices,
 * seq]). `reason` where the model does not take them.
 */
export function inputsOfRows(
  ports: readonly Port[],
  texts: readonly (readonly FormedRow[])[],
): ReadonlyMap<string, FilledInput> | { readonly reason: string } {
  const tokens = ports.find(
    (p) => isWhole(p) && p.default === undefined && p.below !== undefined && p.axes.length >= 2,
  );
  if (!tokens) return { reason: "it has no input of tokens" };
  const rank = tokens.axes.length;
  const each = texts[0]!.length;
  if (texts.some((rows) => rows.length !== each)) return { reason: "the texts have different numbers of rows" };
  const rows = texts.flat();
  const length = Math.max(...rows.map((r) => r.ids.length));
  const outer = rank === 2 ? [rows.length] : rank === 3 ? [texts.length, each] : undefined;
  if (!outer) return { reason: `its input ${tokens.name} has ${rank} axes` };
  const made = new Map<string, FilledInput>();
  const put = (port: Port, dims: readonly number[], numbers: readonly number[]): void => {
    made.set(port.name, { dtype: port.dtype, dims, data: filledWith(port.dtype, numbers) });
  };
  const padded = (own: readonly number[]): number[] => [...own, ...new Array<number>(length - own.length).fill(0)];
  const place = (port: Port, of: (row: FormedRow) => readonly number[]): void =>
    put(
      port,
      [...outer, length],
      rows.flatMap((r) => padded(of(r))),
    );
  place(tokens, (r) => r.ids);
  const alike = ports.filter((p) => p !== tokens && p.axes.length === rank);
  const mask = alike.find((p) => p.default === "ones");
  if (mask) place(mask, (r) => r.ids.map(() => 1));
  else if (rows.some((r) => r.ids.length < length))
    return { reason: "it takes no mask: texts that are run together must have the same number of tokens" };
  const segments = alike.find((p) => isWhole(p) && p.default === "zeros" && p.below !== undefined);
  if (segments) place(segments, (r) => r.segments.map((s) => Math.min(s, segments.below! - 1)));
  for (const name of new Set(rows.flatMap((r) => Object.keys(r.places)))) {
    const port = ports.find((p) => p.name === name);
    if (port)
      put(
        port,
        outer,
        rows.map((r) => r.places[name] ?? 0),
      );
  }
  return made;
}

function isWhole({ dtype }: Port): boolean {
  return dtype === "int64" || dtype === "int32";
}
