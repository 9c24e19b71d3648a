/** @file Where a compiled folder is read from, and whether its files are what `model.json` says. */
import { TfjsRuntimeError } from "./errors.ts";
import type { TfmMetadata } from "../fusions.ts";
import type { ModelJson } from "../graph-def.ts";

/** A compiled folder: a way to read its files. */
export interface ModelSource {
  /** As messages call it. */
  readonly name: string;
  /** The bytes of a file (`model.json`); undefined where there is none. They are not kept. `signal` says that they are not wanted any more. */
  read(file: string, signal?: AbortSignal): Promise<ArrayBuffer | undefined>;
}

export interface LoadedModel {
  readonly model: ModelJson;
  readonly metadata: TfmMetadata | undefined;
  /** What `tfm.json` says, where there is one. */
  readonly record: unknown;
  /** In which the shards lie: "", or with a slash at its end. */
  readonly folder: string;
}

/** A folder behind a URL: `https://example.org/models/tiny/`, or a path of the page's own server. */
export function folderAt(url: string): ModelSource {
  const base = url.endsWith("/") ? url : `${url}/`;
  return {
    name: url,
    read: async (file, signal) => {
      const unread = (reason: string): TfjsRuntimeError =>
        new TfjsRuntimeError(
          "file-missing",
          `${base}${file} could not be read: ${reason}`,
          "see that the server gives the whole folder",
        );
      try {
        const response = await fetch(`${base}${file}`, signal ? { signal } : {});
        if (response.status === 404) return undefined;
        if (!response.ok) throw unread(`status ${response.status}`);
        return await response.arrayBuffer();
      } catch (e) {
        if (e instanceof TfjsRuntimeError) throw e;
        signal?.throwIfAborted();
        throw unread(e instanceof Error ? e.message : String(e));
      }
    },
  };
}

/** Reads `model.json`, and not yet its weights. Throws `TfjsRuntimeError` where it is missing or none. */
export async function readModel(source: ModelSource, file = "model.json"): Promise<LoadedModel> {
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/") + 1) : "";
  const model = await readJson(source, file);
  if (model === undefined) throw missing(source, file);
  if (!isModel(model))
    throw new TfjsRuntimeError(
      "not-a-model",
      `${file} of ${source.name} is no graph model`,
      "give the folder that `tfm compile -t tfjs` wrote",
    );
  const metadata = model.userDefinedMetadata?.tfm;
  if (metadata !== undefined && (metadata.version as number) !== 1)
    throw new TfjsRuntimeError(
      "not-a-model",
      `${file} of ${source.name} is of version ${String(metadata.version)}, this program reads version 1`,
      "compile the model again, or update this program",
    );
  return { model, metadata, record: await readJson(source, "tfm.json"), folder };
}

/** A JSON file of the folder; undefined where there is none. */
export async function readJson(source: ModelSource, file: string): Promise<unknown> {
  const bytes = await source.read(file);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch (e) {
    throw new TfjsRuntimeError(
      "not-a-model",
      `${file} of ${source.name} is no JSON: ${e instanceof Error ? e.message : String(e)}`,
      "see that the whole folder arrived, or compile again",
    );
  }
}

function isModel(value: unknown): value is ModelJson {
  const v = value as Partial<ModelJson> | null;
  return (
    v?.format === "graph-model" &&
    Array.isArray(v.modelTopology?.node) &&
    Array.isArray(v.weightsManifest) &&
    v.weightsManifest.every((g) => Array.isArray(g.paths) && Array.isArray(g.weights)) &&
    typeof v.signature?.inputs === "object" &&
    typeof v.signature.outputs === "object"
  );
}

export function missing(source: ModelSource, file: string): TfjsRuntimeError {
  return new TfjsRuntimeError(
    "file-missing",
    `${source.name} has no ${file}`,
    "give the folder that `tfm compile -t tfjs` wrote, with all its files",
  );
}
