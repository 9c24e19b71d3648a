/** @file Where a compiled folder is read from, and whether its files are what `model.json` says. */
import { TfjsRuntimeError } from "./errors.ts";
import type { TfmMetadata } from "../fusions.ts";
import type { ModelJson, WeightEntry } from "../graph-def.ts";

/** A compiled folder: a way to read its files. */
export interface ModelSource {
  /** As messages call it. */
  readonly name: string;
  /** The bytes of a file (`model.json`); undefined where there is none. */
  read(file: string): Promise<ArrayBuffer | undefined>;
}

export interface LoadedModel {
  readonly model: ModelJson;
  readonly metadata: TfmMetadata | undefined;
  /** What `tfm.json` says, where there is one. */
  readonly record: unknown;
  /** The shards' bytes, one after the other. */
  readonly weights: readonly ArrayBuffer[];
}

/** A folder behind a URL: `https://example.org/models/tiny/`, or a path of the page's own server. */
export function folderAt(url: string): ModelSource {
  const base = url.endsWith("/") ? url : `${url}/`;
  return {
    name: url,
    read: async (file) => {
      const response = await fetch(`${base}${file}`);
      if (response.status === 404) return undefined;
      if (!response.ok)
        throw new TfjsRuntimeError(
          "file-missing",
          `${base}${file} could not be read: status ${response.status}`,
          "see that the server gives the whole folder",
        );
      return response.arrayBuffer();
    },
  };
}

/** Reads `model.json` and its weights. Throws `TfjsRuntimeError` where a file is missing or not as long as it should be. */
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
  const weights: ArrayBuffer[] = [];
  for (const group of model.weightsManifest) {
    const shards = await Promise.all(
      group.paths.map(async (path) => {
        const bytes = await source.read(`${folder}${path}`);
        if (bytes === undefined) throw missing(source, `${folder}${path}`);
        return { path: `${folder}${path}`, bytes };
      }),
    );
    checkLengths(source, shards, group.weights);
    weights.push(...shards.map((s) => s.bytes));
  }
  return { model, metadata, record: await readJson(source, "tfm.json"), weights };
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

const WIDTH: Readonly<Record<string, number>> = { float32: 4, int32: 4, bool: 1, float16: 2, uint16: 2, uint8: 1 };

function bytesOf({ name, shape, dtype, quantization }: WeightEntry, source: ModelSource): number {
  const width = WIDTH[quantization?.dtype ?? dtype];
  const count = shape.reduce((a, b) => a * b, 1);
  if (width === undefined || !Number.isSafeInteger(count) || shape.some((d) => d < 0))
    throw new TfjsRuntimeError(
      "not-a-model",
      `the weight ${name} of ${source.name} has the dtype ${dtype} and the shape [${shape.join(", ")}]`,
      "compile the model again",
    );
  return count * width;
}

/** A shard that is cut short would leave the weights that lie in it and after it full of whatever follows. */
function checkLengths(
  source: ModelSource,
  shards: readonly { readonly path: string; readonly bytes: ArrayBuffer }[],
  weights: readonly WeightEntry[],
): void {
  const wanted = weights.reduce((n, w) => n + bytesOf(w, source), 0);
  const found = shards.reduce((n, s) => n + s.bytes.byteLength, 0);
  if (wanted === found) return;
  const { byteLength: full } = shards[0]?.bytes ?? { byteLength: 0 };
  // All but the last are of one length.
  const odd = shards.find((s, i) => i < shards.length - 1 && s.bytes.byteLength !== full) ?? shards.at(-1);
  throw new TfjsRuntimeError(
    "shard-size",
    `the weights of ${source.name} are ${found} bytes long, and model.json says ${wanted}; probably ${odd?.path ?? "a file"} is ` +
      (found < wanted ? "cut short" : "another model's"),
    "copy the whole folder again, or compile again",
  );
}

function missing(source: ModelSource, file: string): TfjsRuntimeError {
  return new TfjsRuntimeError(
    "file-missing",
    `${source.name} has no ${file}`,
    "give the folder that `tfm compile -t tfjs` wrote, with all its files",
  );
}
