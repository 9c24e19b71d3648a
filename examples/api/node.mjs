// Compiles a trained checkpoint, goes on from a text, and embeds two sentences: `node examples/api/node.mjs`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, embed, generate, load } from "tfm-lang/node";

const out = mkdtempSync(join(tmpdir(), "tfm-example-"));
const checkpoint = (name) => new URL(`../../tests/checkpoints/${name}`, import.meta.url).pathname;

// A language model: text as it comes.
const { checked } = await compile(checkpoint("kjv"), { out: join(out, "kjv") });
console.log(checked);
const kjv = await load(join(out, "kjv"));
for await (const { text } of generate(kjv, "And God said", { maxTokens: 40, stop: ["\n"] })) process.stdout.write(text);
console.log();
await kjv.close();

// An encoder: a vector for each text.
await compile(checkpoint("bert-base-model"), { out: join(out, "bert") });
const bert = await load(join(out, "bert"));
const [a, b] = await embed(bert, ["the long water", "they could see the long water"]);
console.log("cosine", a.reduce((sum, x, i) => sum + x * b[i], 0).toFixed(3));
await bert.close();
rmSync(out, { recursive: true });
