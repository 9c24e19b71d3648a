// usage: node own.mjs OUT: the package's own client, `tfm-lang/node`, on published checkpoints where they have been fetched (TFM_MINILM,
// TFM_SMOLLM2), text in and text out: the stored sentence embeddings, the reference's words. See run.sh.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { readStored } from "./stored.mjs";

const [out] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { compile, embed, generate, load } = await import(pathToFileURL(here("../../dist/node.js")).href);
const reference = (folder) => JSON.parse(readFileSync(here(`${folder}/reference.json`), "utf8")).cases;
let failed = 0;

await check("TFM_MINILM", "minilm", async (model) => {
  const stored = readStored(here("minilm/reference.safetensors"));
  let worst = 0;
  for (const [name, { text }] of Object.entries(reference("minilm"))) {
    const found = (await embed(model, text)).flatMap((vector) => Array.from(vector));
    const wanted = stored.get(`${name}.output.embeddings`).data;
    if (found.length !== wanted.length) return `${name}: ${found.length} numbers, not ${wanted.length}`;
    for (const [i, x] of found.entries()) worst = Math.max(worst, Math.abs(x - wanted[i]));
  }
  return worst <= 1e-4 ? undefined : `differs by ${worst}`;
});

await check("TFM_SMOLLM2", "smollm2", async (model) => {
  const { plain, chat } = reference("smollm2");
  const asked = /user\n(.*?)<\|im_end\|>/s.exec(chat.prompt)[1];
  for (const [prompt, { completion, options }] of [
    [plain.prompt, plain],
    [[{ role: "user", content: asked }], chat],
  ]) {
    let found = "";
    for await (const { text } of generate(model, prompt, { maxTokens: options.new_tokens })) found += text;
    if (found !== completion) return `writes ${JSON.stringify(found)}, not ${JSON.stringify(completion)}`;
  }
  return undefined;
});
process.exit(failed > 0 ? 1 : 0);

async function check(variable, name, wrong) {
  const checkpoint = process.env[variable];
  if (!checkpoint) return console.log(`${name.padEnd(32)} is not here (${variable}: see fetch-${name}.sh)`);
  // As it is quickest here, and as it is by default.
  for (const cache of name === "minilm" ? [undefined] : [undefined, "rows"]) {
    const folder = join(out, `${name}-${cache ?? "default"}`);
    let problem;
    try {
      await compile(checkpoint, { out: folder, ...(cache ? { cache } : {}) });
      const model = await load(folder);
      problem = await wrong(model);
      await model.close();
    } catch (e) {
      problem = e.message.split("\n")[0];
    }
    console.log(`${name.padEnd(32)} ${cache ?? ""}${cache ? ": " : ""}${problem ?? "the reference's"}`);
    if (problem) failed++;
  }
}
