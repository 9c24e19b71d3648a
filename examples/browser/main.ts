/**
 * @file Loads a compiled folder, `?model=URL` or `model/` beside the page, and goes on with a text, or fills in `[MASK]`: on webgpu where
 * the browser has it, else on wasm. `?backend=wasm` asks for one.
 */
import { Tokenizer } from "@huggingface/tokenizers";
import "@tensorflow/tfjs-backend-cpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import simd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import threads from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url";
import plain from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url";
import "@tensorflow/tfjs-backend-webgpu";
import * as converter from "@tensorflow/tfjs-converter";
import * as core from "@tensorflow/tfjs-core";
import { DecodeFailure, load, tfjsDecoder, type LoadOptions, type Tf } from "tfm-lang/tfjs";

const NEW_TOKENS = 24;
const tf = { ...core, ...converter } as unknown as Tf;
setWasmPaths({
  "tfjs-backend-wasm.wasm": plain,
  "tfjs-backend-wasm-simd.wasm": simd,
  "tfjs-backend-wasm-threaded-simd.wasm": threads,
});

const query = new URLSearchParams(location.search);
const model = new URL(query.get("model") ?? "model/", location.href).href.replace(/\/?$/, "/");
const backends = query.get("backend")?.split(",") ?? ["webgpu", "wasm", "cpu"];
const count = Number(query.get("tokens") ?? NEW_TOKENS);

const form = document.querySelector("form")!;
const prompt = document.querySelector<HTMLTextAreaElement>("#prompt")!;
const button = document.querySelector("button")!;
const text = document.querySelector<HTMLOutputElement>("#text")!;
const status = document.querySelector<HTMLElement>("#status")!;

interface Program {
  readonly button: string;
  readonly prompt: string;
  run(prompt: string, show: (text: string) => void): Promise<void>;
}

async function json(file: string): Promise<object> {
  const response = await fetch(`${model}${file}`);
  if (!response.ok) throw new Error(`${model} has no ${file}`);
  return (await response.json()) as object;
}

const options: LoadOptions = {
  backends,
  onProgress: ({ loaded, total }) => (status.textContent = `loading, ${Math.floor((100 * loaded) / (total || 1))} %`),
};

const best = (scores: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[most]!) most = i;
  return most;
};

/** Goes on with a text, a word at a time: always the likeliest. */
async function generator(tokenizer: Tokenizer): Promise<Program> {
  const decoder = await tfjsDecoder(tf, model, options);
  return {
    button: "Go on",
    prompt: "And it came to pass",
    run: async (start, show) => {
      decoder.reset();
      const { ids } = tokenizer.encode(start);
      const all = [...ids];
      let next = all;
      for (let i = 0; i < count && all.length < (decoder.limit ?? Infinity); i++) {
        const [scores] = await decoder.step([next]);
        next = [best(scores!)];
        all.push(...next);
        show(tokenizer.decode(all));
      }
    },
  };
}

/** Fills in each mask with the likeliest word. */
async function filler(tokenizer: Tokenizer): Promise<Program> {
  const loaded = await load(tf, model, options);
  const mask = tokenizer.token_to_id("[MASK]");
  const [scores] = loaded.signature.outputs.filter((o) => o.dims.length === 3);
  if (mask === undefined || !scores) throw new Error("the model neither generates nor fills in masks");
  return {
    button: "Fill in",
    prompt: "And it came to [MASK], that he went up to the [MASK] of the Lord.",
    run: async (start, show) => {
      const { ids } = tokenizer.encode(start);
      const outputs = await loaded.run({ input_ids: { dims: [1, ids.length], data: ids } }, [scores.name]);
      const { dims, data } = outputs.get(scores.name)!;
      const vocab = dims[2]!;
      const row = (i: number): number[] => Array.from({ length: vocab }, (_, j) => data[i * vocab + j]!);
      show(
        tokenizer.decode(
          ids.map((id, i) => (id === mask ? best(row(i)) : id)),
          { skip_special_tokens: true },
        ),
      );
    },
  };
}

async function start(): Promise<void> {
  const tokenizer = new Tokenizer(await json("tokenizer.json"), await json("tokenizer_config.json"));
  const program = await generator(tokenizer).catch((e: unknown) => {
    // What does not generate may fill in masks.
    if (e instanceof DecodeFailure && e.diagnostic.message.includes("does not generate")) return filler(tokenizer);
    throw e;
  });
  prompt.value = query.get("prompt") ?? program.prompt;
  button.textContent = program.button;
  button.disabled = false;
  status.textContent = `ready on ${tf.getBackend()}`;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    const begun = performance.now();
    program
      .run(prompt.value, (made) => (text.value = made))
      .then(
        () => (status.textContent = `done on ${tf.getBackend()} in ${Math.round(performance.now() - begun)} ms`),
        (e: unknown) => (status.textContent = `failed: ${e instanceof Error ? e.message : String(e)}`),
      )
      .finally(() => (button.disabled = false));
  });
}

start().catch((e: unknown) => {
  status.textContent = `failed: ${e instanceof Error ? e.message : String(e)}`;
});
