/** @file What the page and its compiler say to each other, beside the Language Server Protocol. */

export const VIEWS = ["figure", "parameters", "types", "graph", "onnx", "tfjs"] as const;
export type ViewName = (typeof VIEWS)[number];

export interface Question {
  readonly id: number;
  readonly text: string;
  readonly model?: string;
  /** `hidden=64 heads=4`, as `-s` takes them. */
  readonly settings: string;
  readonly view: ViewName | "run";
  readonly detail: boolean;
  readonly types: boolean;
  readonly dark: boolean;
}

/** A compiled model with drawn weights. */
export interface Runnable {
  readonly model: string;
  readonly record: string;
  readonly shards: readonly { readonly name: string; readonly bytes: ArrayBuffer }[];
}

export interface Answer {
  readonly id: number;
  readonly models: readonly string[];
  readonly model?: string;
  readonly error?: string;
  readonly svg?: string;
  readonly text?: string;
  readonly rows?: readonly (readonly string[])[];
  readonly run?: Runnable;
}
