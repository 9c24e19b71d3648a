/**
 * @file `tfm-lang/web`: running compiled folders in a browser, over the program's own onnxruntime-web; and compiling programs there.
 */
import { defaultsIn } from "../generate/defaults.ts";
import { bitsOf } from "../generate/session.ts";
import type { PortDtype, Signature } from "../generate/signature.ts";
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
  /** In the order of preference; by default wasm. A model runs on the first that can open it: `["webgpu", "wasm"]`. */
  readonly providers?: readonly string[];
  /** Told of each provider that was preferred and could not be had, and what is used in its place; by default `console.warn`. */
  readonly warn?: (text: string) => void;
  /** By default the page's own. */
  readonly fetch?: typeof fetch;
}

interface RecordLike extends Signature {
  readonly version: number;
  readonly target: string;
  readonly graphs?: readonly (Signature & { readonly file: string })[];
  readonly tasks?: Readonly<Record<string, readonly string[]>>;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
}

const GENERATION = "generation_config.json";

const OTHER = "it was compiled for TensorFlow.js, and `tfm-lang/tfjs` opens it";

/** Of the form of `tfm.json` that is read here. */
const VERSION = 1;

/**
 * A compiled folder at a URL. Only its record is fetched; the model is when it is first needed.
 * @throws TfmError
 */
export async function load(url: string | URL, options: LoadOptions): Promise<Model> {
  const { ort, providers = ["wasm"], warn = (text) => console.warn(text), fetch: get = fetch } = options;
  const base = String(url).replace(/\/?$/, "/");
  const bytesOf = async (file: string): Promise<Uint8Array | undefined> => {
    const answer = await get(base + file);
    return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : undefined;
  };
  /** A file that the record names. */
  const wholeOf = async ({ name: file, bytes }: RecordLike["files"][number]): Promise<Uint8Array> => {
    const found = await bytesOf(file);
    if (!found) throw TfmError.of("artifact/missing-file", { folder: base, file });
    if (found.length !== bytes)
      throw TfmError.of("artifact/file-size", {
        folder: base,
        file,
        found: found.length,
        wanted: bytes,
        linked: false,
      });
    return found;
  };
  const jsonOf = async (file: string): Promise<Record<string, unknown> | undefined> => {
    const bytes = await bytesOf(file);
    if (!bytes) return undefined;
    const bad = (reason: string): TfmError => TfmError.of("cli/bad-config", { path: base + file, reason });
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(bytes));
    } catch (e) {
      throw bad(e instanceof Error ? e.message : String(e));
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad("it holds another value");
    return value as Record<string, unknown>;
  };
  const read = await jsonOf("tfm.json");
  if (!read) throw TfmError.of("cli/no-artifact", { folder: base, reason: "it has no tfm.json" });
  const lists = [read["files"], read["inputs"], read["outputs"], read["states"], read["graphs"] ?? []];
  if (typeof read["version"] !== "number" || !lists.every(Array.isArray))
    throw TfmError.of("artifact/record", { folder: base, reason: "it is no record of a compiled model" });
  const record = read as unknown as RecordLike;
  if (record.version !== VERSION)
    throw TfmError.of("artifact/version", { folder: base, found: record.version, known: VERSION });
  if (record.target === "tfjs") throw TfmError.of("generate/cannot", { folder: base, reason: OTHER });
  const files = record.graphs?.map((g) => ({ file: g.file, signature: g })) ?? [
    { file: "model.onnx", signature: record as Signature },
  ];
  /** Several models may read the same weights: while they are still in memory, they are not fetched again. */
  const fetched = new Map<string, WeakRef<Uint8Array>>();
  const weightsOf = async (file: RecordLike["files"][number]): Promise<Uint8Array> => {
    const known = fetched.get(file.name)?.deref();
    if (known) return known;
    const bytes = await wholeOf(file);
    fetched.set(file.name, new WeakRef(bytes));
    return bytes;
  };
  const data = record.files.filter((f) => /(\.onnx_data(_\d+)?|\.safetensors)$/.test(f.name));
  return new Model({
    name: base,
    files,
    tasks: record.tasks ?? {},
    open: (file) => {
      const named = record.files.find((f) => f.name === file);
      if (!named) throw TfmError.of("artifact/record", { folder: base, reason: `it has no size of ${file}` });
      const within = file.slice(0, file.lastIndexOf("/") + 1);
      // Data files are called after the model, or are the checkpoint's own.
      const own = data.filter(
        ({ name }) => name.startsWith(within) && (name.startsWith(`${file}_data`) || name.endsWith(".safetensors")),
      );
      const create = async (provider: string): Promise<RuntimeSession> => {
        const model = await wholeOf(named);
        const externalData: { path: string; data: Uint8Array }[] = [];
        for (const d of own) externalData.push({ path: d.name.slice(within.length), data: await weightsOf(d) });
        const how = { executionProviders: [provider], logSeverityLevel: 3, externalData };
        return ort.InferenceSession.create(model as never, how as never);
      };
      return sessionOver(ort, { folder: base, file, providers, warn, create });
    },
    tokenizer: async () => {
      // Programs that give numbers of tokens load none of it.
      const { tokenizerOf } = await import("../generate/tokenizer.ts");
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
    defaults: async () => {
      const own = await jsonOf(GENERATION);
      const made = defaultsIn(own, await jsonOf("config.json"));
      if ("reason" in made)
        throw TfmError.of("generate/defaults", {
          path: base + (own ? GENERATION : "config.json"),
          reason: made.reason,
        });
      return made;
    },
  });
}

interface Opening {
  readonly folder: string;
  readonly file: string;
  readonly providers: readonly string[];
  readonly warn: (text: string) => void;
  readonly create: (provider: string) => Promise<RuntimeSession>;
}

/**
 * A session on the first provider that can open the model and run it: what a device lacks may show only when it is first asked to
 * compute, such as halves in shaders.
 */
async function sessionOver(ort: Runtime, { folder, file, providers, warn, create }: Opening): Promise<Session> {
  const reasons: string[] = [];
  let at = 0;
  /** Goes on to the next provider where there is one. */
  const pass = (e: unknown): boolean => {
    const reason = (e instanceof Error ? e.message : String(e)).split("\n")[0]!;
    const [provider, next] = providers.slice(at) as [string, string | undefined];
    reasons.push(`${provider}: ${reason}`);
    if (next !== undefined) warn(`${folder}${file} cannot run on ${provider}, and runs on ${next}: ${reason}`);
    at += 1;
    return next !== undefined;
  };
  const opened = async (): Promise<RuntimeSession> => {
    for (;;) {
      try {
        return await create(providers[at]!);
      } catch (e) {
        if (e instanceof TfmError) throw e;
        if (!pass(e))
          throw TfmError.of("artifact/damaged", { folder, file, reason: `nothing opens it (${reasons.join("; ")})` });
      }
    }
  };
  let session = await opened();
  let proven = false;
  return {
    run: async (inputs, wanted) => {
      const feeds = Object.fromEntries(
        [...inputs].map(([name, { dtype, dims, data }]) => [
          name,
          new ort.Tensor(dtype as PortDtype as never, data as never, [...dims]),
        ]),
      );
      for (;;) {
        try {
          const found = await session.run(feeds as never, wanted as never);
          proven = true;
          return new Map(wanted.map((name) => [name, { dims: found[name]!.dims, data: bitsOf(found[name]!.data) }]));
        } catch (e) {
          if (proven || !pass(e)) throw e;
          await session.release();
          session = await opened();
        }
      }
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
