// usage: node pipelines.mjs OUT [NAME...]: the released @huggingface/transformers does whole tasks, text in and text out, with the folders that
// transformers.mjs has made in OUT: the reference's words, or what `tfm generate` writes. See run.sh.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { readStored } from "./stored.mjs";

const [out, ...names] = process.argv.slice(2);
const from = createRequire(join(process.env.TFM_CLIENTS, "package.json"));
const T = await import(pathToFileURL(from.resolve("@huggingface/transformers")).href);
T.env.allowRemoteModels = false;
T.env.localModelPath = `${out}/`;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const reference = (folder) => JSON.parse(readFileSync(here(`${folder}/reference.json`), "utf8")).cases;
const TEXT = "they could see the long water";

/** What each folder is asked: a task, and what is wrong with the answer. */
const ASKED = [
  ["kjv-bert", "fill-mask", fillsGaps],
  ["bert-base-model", "feature-extraction", (ask) => embeds(ask, [TEXT])],
  ["minilm", "feature-extraction", storedSentences],
  ["bert-sequence-classification", "text-classification", labels],
  ["gpt2-sequence-classification", "text-classification", labels],
  ["bert-token-classification", "token-classification", labelsTokens],
  ["bert-question-answering", "question-answering", answers],
  ["gpt2", "text-generation", goesOn],
  ["kjv", "text-generation", goesOn],
  ["mistral", "text-generation", goesOn],
  ["t5", "text2text-generation", goesOn],
  ["seq2seq", "translation", goesOn],
  ["smollm2", "text-generation", converses],
];

let failed = 0;
for (const [name, task, wrong] of ASKED) {
  if ((names.length > 0 && !names.includes(name)) || !existsSync(join(out, name, "config.json"))) continue;
  let problem;
  try {
    const pipe = await T.pipeline(task, name, { dtype: "fp32", device: "cpu" });
    problem = await wrong(pipe, name);
    await pipe.dispose();
  } catch (e) {
    problem = e.message.split("\n")[0];
  }
  console.log(`${name.padEnd(32)} ${task}${problem ? `: ${problem}` : ""}`);
  if (problem) failed++;
}
process.exitCode = failed > 0 ? 1 : 0;

/** The reference's five likeliest words; of several gaps the pipeline fills the first. */
async function fillsGaps(pipe) {
  for (const { text, top5 } of Object.values(reference("../checkpoints/kjv-bert"))) {
    const found = (await pipe(text, { top_k: 5 })).map((g) => g.token_str);
    if (String(found) !== String(top5[0])) return `fills ${found}, not ${top5[0]}`;
  }
  return undefined;
}

async function embeds(pipe, texts) {
  const found = await pipe(texts, { pooling: "mean", normalize: true });
  for (const vector of found.tolist())
    if (Math.abs(Math.hypot(...vector) - 1) > 1e-5) return `a vector has the length ${Math.hypot(...vector)}`;
  return undefined;
}

async function storedSentences(pipe) {
  const { text } = reference("minilm").batch8;
  const found = await pipe(text, { pooling: "mean", normalize: true });
  const wanted = readStored(here("minilm/reference.safetensors")).get("batch8.output.embeddings").data;
  const worst = Math.max(...wanted.map((x, i) => Math.abs(x - found.data[i])));
  return worst <= 1e-4 ? undefined : `differs by ${worst}`;
}

/** The model's own scores as probabilities. */
async function labels(pipe) {
  const { logits } = await pipe.model(await pipe.tokenizer(TEXT));
  const wanted = T.softmax(Array.from(logits.data));
  const found = await pipe(TEXT, { top_k: null });
  const all = Object.values(pipe.model.config.id2label);
  for (const { label, score } of found)
    if (!(Math.abs(score - wanted[all.indexOf(label)]) < 1e-5)) return `${label} has ${score}, of ${wanted}`;
  return found.length === all.length ? undefined : `${found.length} labels of ${all.length}`;
}

async function labelsTokens(pipe) {
  const found = await pipe(TEXT, { ignore_labels: [] });
  const places = (await pipe.tokenizer(TEXT)).input_ids.dims[1] - 2;
  return found.length === places ? undefined : `${found.length} labels for ${places} tokens`;
}

async function answers(pipe) {
  const { answer, score } = await pipe("who", TEXT);
  return TEXT.includes(answer) && score > 0 ? undefined : `answers ${JSON.stringify(answer)} with ${score}`;
}

/** What `tfm generate` writes. */
async function goesOn(pipe, name) {
  const prompt = name === "kjv" ? "And God said" : TEXT;
  const [{ generated_text: whole, translation_text: translation }] = await pipe(prompt, {
    max_new_tokens: 12,
    do_sample: false,
  });
  const found = translation ?? (whole.startsWith(prompt) ? whole.slice(prompt.length) : whole);
  const command = [
    "tfm",
    "generate",
    join(out, name),
    "-p",
    prompt,
    "--max-tokens",
    "12",
    "--temperature",
    "0",
    "--json",
  ];
  const { rows } = JSON.parse(execFileSync("npx", command, { stdio: ["ignore", "pipe", "ignore"] }));
  return found.trim() === rows[0].text.trim() ? undefined : `writes ${JSON.stringify(found)}, not ${rows[0].text}`;
}

/** The reference's words, from a conversation. */
async function converses(pipe) {
  const { prompt, completion, options } = reference("smollm2").chat;
  const content = /user\n(.*?)<\|im_end\|>/s.exec(prompt)[1];
  const said = await pipe([{ role: "user", content }], { max_new_tokens: options.new_tokens, do_sample: false });
  const found = said[0].generated_text.at(-1).content;
  return found === completion ? undefined : `says ${JSON.stringify(found)}, not ${JSON.stringify(completion)}`;
}
