/** @file What this server and its clients say to each other beside the Language Server Protocol. */
import { RequestType } from "vscode-languageserver";

/** Addresses of the library's modules where a client shows them as documents of its own. */
export const LIBRARY_SCHEME = "tfm-std";

/** What a client may say when it starts the server. */
export interface InitializationOptions {
  /** It shows documents of `tfm-std:`, with texts from `tfm/libraryFile`. */
  readonly virtualLibrary?: boolean;
}

/** The text of a module of the library by its `tfm-std:` address; null where there is none. */
export const libraryFile = new RequestType<{ readonly uri: string }, { readonly text: string } | null, void>(
  "tfm/libraryFile",
);

export interface PictureParams {
  readonly uri: string;
  /** By default the first model of the document. */
  readonly model?: string;
  /** Inside of attention. */
  readonly detail?: boolean;
  /** Types and parameter counts. */
  readonly types?: boolean;
  readonly theme?: "auto" | "light" | "dark";
}

/** The models of the document, and the picture of one; or why there is none. */
export type PictureResult = { readonly models: readonly string[] } & (
  { readonly svg: string; readonly model: string } | { readonly error: string }
);

export const picture = new RequestType<PictureParams, PictureResult, void>("tfm/picture");
