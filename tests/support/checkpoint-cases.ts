/** @file The reference cases of `tests/checkpoints`: inputs, and what the reference implementation computes from them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../../src/host/checkpoint.ts";
import { rawElements } from "../../src/weights/dtypes.ts";

export const CHECKPOINTS = new URL("../checkpoints/", import.meta.url).pathname;

export interface CaseTensor {
  readonly dtype: "float32" | "int64";
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export interface CheckpointCase {
  readonly name: string;
  readonly kind: "forward" | "decode" | "generate" | "gradient" | "train";
  readonly note: string;
  readonly options: {
    readonly hidden_states?: boolean;
    /** Tokens of the first step of `decode`. */
    readonly prefill?: number;
    readonly new_tokens?: number;
    readonly parameters?: readonly string[];
    readonly steps?: number;
  };
  readonly inputs: ReadonlyMap<string, CaseTensor>;
  /** By the reference's names: `logits`, `prefill.logits`, `past.0.key`, `step0.logits`, `hidden_states.0`. */
  readonly outputs: ReadonlyMap<string, CaseTensor>;
}

export interface Fixture {
  /** The checkpoint's folder. */
  readonly folder: string;
  /** The reference's class of the model. */
  readonly modelClass: string;
  /** Tied tensors once. */
  readonly parameterCount: number;
  readonly cases: ReadonlyMap<string, CheckpointCase>;
  /** Texts with their tokens, where the folder has a tokenizer. */
  readonly tokenizer: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

interface Description {
  readonly model_class: string;
  readonly parameter_count: number;
  readonly tokenizer?: Fixture["tokenizer"];
  readonly cases: Readonly<
    Record<
      string,
      {
        readonly kind: CheckpointCase["kind"];
        readonly note: string;
        readonly options: CheckpointCase["options"];
        readonly inputs: object;
        readonly outputs: object;
      }
    >
  >;
}

/** Reads the fixture of a folder of `tests/checkpoints`, `llama3`. */
export function readFixture(name: string): Fixture {
  const folder = join(CHECKPOINTS, name);
  const described = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8")) as Description;
  const tensors = readTensors(join(folder, "reference.safetensors"));
  const named = (prefix: string, names: object): Map<string, CaseTensor> =>
    new Map(
      Object.keys(names).map((n) => {
        const found = tensors.get(`${prefix}.${n}`);
        if (!found) throw new Error(`${name} lacks ${prefix}.${n}`);
        return [n, found];
      }),
    );
  const cases = Object.entries(described.cases).map(([caseName, c]): [string, CheckpointCase] => [
    caseName,
    {
      name: caseName,
      kind: c.kind,
      note: c.note,
      options: c.options,
      inputs: named(`${caseName}.input`, c.inputs),
      outputs: named(`${caseName}.output`, c.outputs),
    },
  ]);
  return {
    folder,
    modelClass: described.model_class,
    parameterCount: described.parameter_count,
    tokenizer: described.tokenizer ?? [],
    cases: new Map(cases),
  };
}

/** All tensors of a small file. */
export function readTensors(path: string): ReadonlyMap<string, CaseTensor> {
  const { value: file, diagnostics } = openCheckpoint(path);
  if (!file) throw new Error(diagnostics.map((d) => d.message).join("; "));
  const tensors = new Map<string, CaseTensor>();
  for (const t of file.tensors.values()) {
    const data = rawElements(t.dtype, file.read(t));
    if (data instanceof Float32Array) tensors.set(t.name, { dtype: "float32", dims: t.shape, data });
    else if (data instanceof BigInt64Array) tensors.set(t.name, { dtype: "int64", dims: t.shape, data });
    else if (t.dtype === "BOOL")
      tensors.set(t.name, { dtype: "int64", dims: t.shape, data: BigInt64Array.from(data, (b) => BigInt(b)) });
    else throw new Error(`${t.name} is ${t.dtype}`);
  }
  file.close();
  return tensors;
}
