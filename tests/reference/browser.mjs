// usage: node browser.mjs OUT: the released @huggingface/transformers in headless Chromium, over onnxruntime-web, opens the folders that
// transformers.mjs has made in OUT: an encoder gives the reference's numbers, a decoder
// its tokens. CHROMIUM names the browser; without one nothing is done. See run.sh.
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { readStored } from "./stored.mjs";

const [out] = process.argv.slice(2);
const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find(
  (p) => p && existsSync(p),
);
if (!executablePath) {
  console.log("no Chromium is installed: the browser is left out (CHROMIUM=PATH names one)");
  process.exit();
}

const modules = join(process.env.TFM_CLIENTS, "node_modules");
const places = [
  ["/models/", out],
  ["/transformers/", join(modules, "@huggingface/transformers/dist")],
  ["/ort/", join(modules, "onnxruntime-web/dist")],
  ["/common/", join(modules, "onnxruntime-common/dist/esm")],
];
const types = { mjs: "text/javascript", js: "text/javascript", wasm: "application/wasm", json: "application/json" };
const PAGE = `<!doctype html><script type="importmap">{ "imports": {
  "onnxruntime-web/webgpu": "/ort/ort.webgpu.bundle.min.mjs", "onnxruntime-common": "/common/index.js" } }</script>`;
const server = createServer((request, response) => {
  const path = new URL(request.url, "http://x").pathname;
  if (path === "/") return response.writeHead(200, { "content-type": "text/html" }).end(PAGE);
  const [at, from] = places.find(([p]) => path.startsWith(p)) ?? [];
  const file = at && join(from, path.slice(at.length));
  if (!file || !existsSync(file) || !statSync(file).isFile()) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": types[file.split(".").at(-1)] ?? "application/octet-stream" });
  response.end(readFileSync(file));
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));

const checkpoint = (name) => fileURLToPath(new URL(`../checkpoints/${name}/`, import.meta.url));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
let failed = 0;
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const ask = (run) =>
    page.evaluate(`(async () => {
      const T = await import("/transformers/transformers.web.js");
      T.env.allowRemoteModels = false; T.env.allowLocalModels = true; T.env.localModelPath = "/models/";
      T.env.backends.onnx.wasm.wasmPaths = "/ort/";
      const tensor = (x) => new T.Tensor("int64", BigInt64Array.from(x.data.map(BigInt)), x.shape);
      const ones = (x) => ({ shape: x.shape, data: x.data.map(() => 1) });
      ${run}
    })()`);

  const encoder = readStored(join(checkpoint("bert-base-model"), "reference.safetensors"));
  const states = await ask(`
    const ids = ${JSON.stringify(encoder.get("single.input.input_ids"))};
    const kinds = ${JSON.stringify(encoder.get("single.input.token_type_ids"))};
    const model = await T.AutoModel.from_pretrained("bert-base-model", { dtype: "fp32", device: "wasm" });
    const { last_hidden_state: y } = await model({
      input_ids: tensor(ids), token_type_ids: tensor(kinds), attention_mask: tensor(ones(ids)) });
    return Array.from(y.data);`);
  const wanted = encoder.get("single.output.last_hidden_state").data;
  const worst = Math.max(...wanted.map((x, i) => Math.abs(x - states[i])));
  say("bert-base-model", worst <= 1e-4 ? undefined : `differs by ${worst}`, `within ${worst.toExponential(1)}`);

  const decoder = readStored(join(checkpoint("kjv"), "reference.safetensors"));
  const prompt = decoder.get("generate.input.input_ids");
  const sequence = decoder.get("generate.output.sequences").data;
  const count = sequence.length - prompt.data.length;
  const found = await ask(`
    const ids = ${JSON.stringify(prompt)};
    const model = await T.AutoModelForCausalLM.from_pretrained("kjv", { dtype: "fp32", device: "wasm" });
    const y = await model.generate({ input_ids: tensor(ids), attention_mask: tensor(ones(ids)), do_sample: false,
      max_new_tokens: ${count}, min_new_tokens: ${count} });
    return Array.from(y.data, Number);`);
  say(
    "kjv",
    String(found) === String(sequence) ? undefined : `generates ${found}, not ${sequence}`,
    "the reference's tokens",
  );
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failed > 0 ? 1 : 0;

function say(name, failure, agrees) {
  console.log(`${name.padEnd(32)} in Chromium: ${failure ?? agrees}`);
  if (failure) failed++;
}
