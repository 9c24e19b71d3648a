/** @file Draws the architecture of a model, as a paper would. */
import type { Elaborated } from "../compile.ts";
import { figureOf, type FigureOptions } from "./build.ts";
import { place, type Placed } from "./place.ts";
import { svgOf, type Theme } from "./svg.ts";

export type { Theme };

export interface DrawOptions extends FigureOptions {
  /** Colours; `auto` follows the reader's preference. */
  readonly theme?: Theme;
}

/** The figure of a model as an SVG document. */
export async function draw(model: Elaborated, options: DrawOptions = {}): Promise<string> {
  return svgOf(model.model, await layOut(model, options), options);
}

/** The same before it is written down: where everything stands. Distances are in pixels. */
export async function layOut(model: Elaborated, options: FigureOptions = {}): Promise<Placed> {
  return await place(figureOf(model, options), options);
}
