// usage: node transformers.mjs OUT [NAME...]: the released @huggingface/transformers opens folders made for it, with their tokenizers,
// and gives the reference's numbers and tokens; see run.sh, which installs it beside OUT (TFM_CLIENTS).
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { readStored } from "./stored.mjs";

const [out, ...names] = process.argv.slice(2);
const from = createRequire(join(process.env.TFM_CLIENTS, "package.json"));
const T = await import(pathToFileURL(from.resolve("@huggingface/transformers")).href);
T.env.allowRemoteModels = false;

const CHECKPOINTS = fileURLToPath(new URL("../checkpoints/", import.meta.url));
/**
 * The forms of a folder: where it lies, the options that made it where it is made here, the client's own word for its numbers, and how far
 * from the reference's those may be, absolute or relative to the largest where that exceeds 1. Folders for both clients are those that genai.py has made.
 */
const FORMS = {
  alone: { folder: out, options: ["--for", "transformers.js"], dtype: "fp32", tolerance: 1e-4 },
  half: {
    folder: join(out, "../transformers-half"),
    options: ["--for", "transformers.js", "--dtype", "float16"],
    dtype: "fp16",
    tolerance: 5e-3,
  },
  both: { folder: join(out, "../genai-whole"), dtype: "fp32", tolerance: 1e-4 },
  "both, half": { folder: join(out, "../genai-half"), dtype: "fp16", tolerance: 5e-3 },
};
/** How each class is opened, and what its outputs are called by the reference. */
const CLASSES = {
  BertModel: [T.AutoModel, ["last_hidden_state"]],
  BertForMaskedLM: [T.AutoModelForMaskedLM, ["logits"]],
  BertForPreTraining: [T.AutoModelForMaskedLM, ["logits=prediction_logits"]],
  BertForSequenceClassification: [T.AutoModelForSequenceClassification, ["logits"]],
  BertForTokenClassification: [T.AutoModelForTokenClassification, ["logits"]],
  BertForQuestionAnswering: [T.AutoModelForQuestionAnswering, ["start_logits", "end_logits"]],
  GPT2ForSequenceClassification: [T.AutoModelForSequenceClassification, ["logits"]],
  T5EncoderModel: [T.AutoModel, ["last_hidden_state"]],
  GPT2LMHeadModel: [T.AutoModelForCausalLM, []],
  LlamaForCausalLM: [T.AutoModelForCausalLM, []],
  MistralForCausalLM: [T.AutoModelForCausalLM, []],
  T5ForConditionalGeneration: [T.AutoModelForSeq2SeqLM, []],
  MarianMTModel: [T.AutoModelForSeq2SeqLM, []],
};

let failed = 0;
console.log(`transformers.js ${T.env.version}`);
const folders = readdirSync(CHECKPOINTS)
  .filter((n) => existsSync(join(CHECKPOINTS, n, "tokenizer.json")))
  .map((n) => [n, join(CHECKPOINTS, n), join(CHECKPOINTS, n)]);
// Published ones, where they have been fetched.
for (const name of ["minilm", "smollm2"]) {
  const folder = process.env[`TFM_${name.toUpperCase()}`];
  if (folder) folders.push([name, folder, fileURLToPath(new URL(name, import.meta.url))]);
}
for (const [name, folder, reference] of folders) {
  if (names.length > 0 && !names.includes(name)) continue;
  const kind = CLASSES[JSON.parse(readFileSync(join(folder, "config.json"), "utf8")).architectures?.[0] ?? "BertModel"];
  if (!kind) continue;
  for (const [form, how] of Object.entries(FORMS)) {
    if (!how.options && !existsSync(join(how.folder, name))) continue;
    let said;
    try {
      if (how.options)
        execFileSync("npx", ["tfm", "compile", folder, "-o", join(how.folder, name), ...how.options], {
          stdio: "pipe",
        });
      T.env.localModelPath = `${how.folder}/`;
      said = await one(name, reference, how, ...kind);
    } catch (e) {
      if (process.env.TFM_DEBUG) console.error(e);
      said = { failure: (e.stderr?.toString() || e.message).split("\n")[0] };
    }
    console.log(`${name.padEnd(32)} ${form.padEnd(10)} ${said.failure ?? said.agrees}`);
    if (said.failure) failed++;
  }
}
process.exitCode = failed > 0 ? 1 : 0;

async function one(name, reference, { dtype, tolerance }, kind, outputs) {
  const cases = JSON.parse(readFileSync(join(reference, "reference.json"), "utf8"));
  const stored = readStored(join(reference, "reference.safetensors"));
  const tokenizer = await T.AutoTokenizer.from_pretrained(name);
  const model = await kind.from_pretrained(name, { dtype });
  const tensor = (t) => new T.Tensor("int64", BigInt64Array.from(t.data, BigInt), t.shape);
  let worst = 0;
  const done = [];
  try {
    for (const { text, ids } of cases.tokenizer ?? []) {
      const found = tokenizer.encode(text);
      if (String(found) !== String(ids))
        return { failure: `tokens of ${JSON.stringify(text)} are ${found}, not ${ids}` };
    }
    for (const [key, c] of Object.entries(cases.cases)) {
      const inputs = Object.fromEntries(Object.keys(c.inputs).map((i) => [i, stored.get(`${key}.input.${i}`)]));
      if (inputs.input_ids)
        inputs.attention_mask ??= { shape: inputs.input_ids.shape, data: inputs.input_ids.data.map(() => 1) };
      if (c.prompt !== undefined && String(tokenizer.encode(c.prompt)) !== String(inputs.input_ids.data))
        return { failure: `tokens of ${JSON.stringify(c.prompt)} are ${tokenizer.encode(c.prompt)}` };
      if (c.kind === "generate" || c.kind === "complete") {
        const wanted = Array.from(stored.get(`${key}.output.sequences`).data);
        const given = Object.fromEntries(
          Object.entries(inputs).filter(([n]) => /^(input_ids|attention_mask)$/.test(n)),
        );
        const length = c.options.new_tokens;
        const ids = await model.generate({
          ...Object.fromEntries(Object.entries(given).map(([n, t]) => [n, tensor(t)])),
          do_sample: false,
          max_new_tokens: length,
          min_new_tokens: length,
          repetition_penalty: 1,
        });
        const found = Array.from(ids.data, Number);
        if (String(found.slice(-length)) !== String(wanted.slice(-length)))
          return { failure: `${key}: generates ${found.slice(-length)}, not ${wanted.slice(-length)}` };
        done.push(key);
      }
      if (stored.has(`${key}.output.embeddings`)) {
        const { embeddings, dims } = await embeddingsOf(model, tokenizer, c.text);
        const wanted = stored.get(`${key}.output.embeddings`);
        if (String(dims) !== String(wanted.shape)) return { failure: `${key}: embeddings are ${dims}` };
        for (const [i, x] of embeddings.entries()) worst = Math.max(worst, Math.abs(x - wanted.data[i]));
        done.push(key);
      } else if ((c.kind ?? "forward") === "forward" && stored.has(`${key}.output.${outputs[0]?.split("=").at(-1)}`)) {
        const found = await model(Object.fromEntries(Object.entries(inputs).map(([n, t]) => [n, tensor(t)])));
        const mask = inputs.attention_mask?.data;
        for (const names of outputs) {
          const [own, theirs = own] = names.split("=");
          const wanted = stored.get(`${key}.output.${theirs}`);
          const scale = wanted.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
          const places = inputs.input_ids.data.length;
          // Of padded places nothing is compared.
          const each = wanted.data.length / places;
          const byPlace = Number.isInteger(each) && wanted.shape[1] === inputs.input_ids.shape[1];
          for (const [i, x] of wanted.data.entries())
            if (!byPlace || !mask || mask[Math.floor(i / each)] !== 0)
              worst = Math.max(worst, Math.abs(found[own].data[i] - x) / scale);
        }
        done.push(key);
      }
    }
  } finally {
    await model.dispose();
  }
  if (done.length === 0) return { failure: "there is no case that it could be asked" };
  return worst <= tolerance
    ? { agrees: `${done.join(", ")}${worst > 0 ? `, within ${worst.toExponential(1)}` : ""}` }
    : { failure: `differs by ${worst.toExponential(1)}` };
}

/** The mean over the tokens, of length one. */
async function embeddingsOf(model, tokenizer, texts) {
  const inputs = await tokenizer(texts, { padding: true });
  const { last_hidden_state: states } = await model(inputs);
  const pooled = T.mean_pooling(states, inputs.attention_mask).normalize(2, -1);
  return { embeddings: Array.from(pooled.data), dims: pooled.dims };
}
