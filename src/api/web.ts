/**
 * @file `tfm-lang/web`: running compiled folders in a browser, over the program's own onnxruntime-web; and compiling programs there.
 */
import { defaultsIn } from "../generate/defaults.ts";
import type { PortDtype, Signature } from "../generate/signature.ts";
import { tokenizerOf } from "../generate/tokenizer.ts";
import { TfmError } from "./error.ts";
import { Model, type Session } from "./model.ts";
import type { CompileOptions } from "./web-compile.ts";

export type { CompileOptions, StoredLibrary } from "./web-compile.ts";
export * from "./error.ts";
export * from "./model.ts";
export { Sampler } from "../generate/sampling.ts";

/** The parts of onnxruntime-web that are used: pass the module itself, `onnxruntime-web` or `onnxruntime-web/webgpu`. */
export interface Runtime {
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => RuntimeTensor;
  readonly InferenceSession: {
    create(model: never, options?: never): Promise<RuntimeSession>;
  };
}

export interface RuntimeTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

export interface RuntimeSession {
  run(feeds: never, fetches: never): Promise<Readonly<Record<string, RuntimeTensor>>>;
  release(): Promise<void>;
}

export interface LoadOptions {
  readonly ort: Runtime;
  /** In the order of preference; by default wasm. */
  readonly providers?: readonly string[];
  /** By default the page's own. */
  readonly fetch?: typeof fetch;
}

interface RecordLike extends Signature {
  readonly version: number;
  readonly graphs?: readonly (Signature & { readonly file: string })[];
  readonly tasks?: Readonly<Record<string, readonly string[]>>;
  readonly files: readonly { readonly name: string }[];
}

/** Of the form of `tfm.json` that is read here. */
const VERSION = 1;

/**
 * A compiled folder at a URL. Only its record is fetched; the model is when it is first needed.
 * @throws TfmError
 */
export async function load(url: string | URL, { ort, providers = ["wasm"], ...options }: LoadOptions): Promise<Model> {
  const get = options.fetch ?? fetch;
  const base = String(url).replace(/\/?$/, "/");
  const bytesOf = async (file: string): Promise<Uint8Array | undefined> => {
    const answer = await get(base + file);
    return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : undefined;
  };
  const jsonOf = async (file: string): Promise<Record<string, unknown> | undefined> => {
    const bytes = await bytesOf(file);
    try {
      return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>);
    } catch {
      throw TfmError.of("cli/bad-config", { path: base + file, reason: "it is no JSON" });
    }
  };
  const record = (await jsonOf("tfm.json")) as RecordLike | undefined;
  if (!record) throw TfmError.of("cli/no-artifact", { folder: base, reason: "it has no tfm.json" });
  if (record.version !== VERSION)
    throw TfmError.of("artifact/version", { folder: base, found: record.version, known: VERSION });
  const files = record.graphs?.map((g) => ({ file: g.file, signature: g })) ?? [
    { file: "model.onnx", signature: record as Signature },
  ];
  const data = record.files.map((f) => f.name).filter((n) => /(\.onnx_data(_\d+)?|\.safetensors)$/.test(n));
  return new Model({
    name: base,
    files,
    tasks: record.tasks ?? {},
    open: async (file) => {
      const model = await bytesOf(file);
      if (!model) throw TfmError.of("artifact/missing-file", { folder: base, file });
      const within = file.slice(0, file.lastIndexOf("/") + 1);
      // Data files are called after the model, or are the checkpoint's own.
      const own = data.filter(
        (d) => d.startsWith(within) && (d.startsWith(`${file}_data`) || d.endsWith(".safetensors")),
      );
      const session = await ort.InferenceSession.create(
        model as never,
        {
          executionProviders: providers,
          logSeverityLevel: 3,
          externalData: own.map((d) => ({ path: d.slice(within.length), data: base + d })),
        } as never,
      );
      return sessionOver(ort, session);
    },
    tokenizer: async () => {
      const tokenizer = await jsonOf("tokenizer.json");
      const template = await bytesOf("chat_template.jinja");
      const made = tokenizer
        ? tokenizerOf(
            tokenizer,
            (await jsonOf("tokenizer_config.json")) ?? {},
            template && new TextDecoder().decode(template),
          )
        : { reason: "there is no tokenizer.json" };
      if ("reason" in made) throw TfmError.of("generate/tokenizer", { folder: base, reason: made.reason });
      return made;
    },
    defaults: async () => defaultsIn([await jsonOf("generation_config.json"), await jsonOf("config.json")]),
  });
}

function sessionOver(ort: Runtime, session: RuntimeSession): Session {
  return {
    run: async (inputs, wanted) => {
      const feeds = Object.fromEntries(
        [...inputs].map(([name, { dtype, dims, data }]) => [
          name,
          new ort.Tensor(dtype as PortDtype as never, data as never, [...dims]),
        ]),
      );
      const found = await session.run(feeds as never, wanted as never);
      return new Map(
        wanted.map((name) => [name, { dims: found[name]!.dims, data: found[name]!.data as Float32Array }]),
      );
    },
    close: () => session.release(),
  };
}

/**
 * Compiles a program to the files of a model for ONNX Runtime, with drawn weights: names and contents. Checkpoints are compiled in
 * Node, where their files are.
 * @throws TfmError
 */
export async function compile(source: string, options: CompileOptions): Promise<ReadonlyMap<string, Uint8Array>> {
  const { compileInMemory } = await import("./web-compile.ts");
  return compileInMemory(source, options);
}
