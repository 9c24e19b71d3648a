/** @file What the page of the picture and the extension say to each other. */

/** What can be chosen in the page. */
export interface Choice {
  /** Of several models; by default the first. */
  readonly model?: string;
  /** Inside of attention. */
  readonly detail: boolean;
  /** Types and parameter counts. */
  readonly types: boolean;
}

export type ToPage =
  | {
      readonly kind: "picture";
      readonly svg: string;
      readonly models: readonly string[];
      /** Of what it is: a page that begins anew does not know what was chosen. */
      readonly choice: Choice & { readonly model: string };
    }
  /** The last picture stays, and is marked as old. */
  | { readonly kind: "error"; readonly message: string };

export type FromPage =
  { readonly kind: "ready" } | { readonly kind: "choose"; readonly choice: Choice } | { readonly kind: "save" };
