/** The package's programs' interface: in Node as it is built, and in headless Chromium over onnxruntime-web. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type * as Api from "../../src/api/node.ts";

const root = new URL("../..", import.meta.url).pathname;
const CHECKPOINTS = join(root, "tests/checkpoints");
const SAID = " unto him, Thou art my God, and I have done this thing.";
let folder = "";
let dist = "";
let api: typeof Api;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tfm-api-"));
  // Inside of the package, where its stdlib and modules are found.
  dist = mkdtempSync(join(root, "node_modules/.tfm-api-"));
  const { bundle } = (await import(join(root, "src/build.mjs"))) as { bundle: (outdir: string) => Promise<void> };
  await bundle(dist);
  api = (await import(pathToFileURL(join(dist, "node.js")).href)) as typeof Api;
  await api.compile(join(CHECKPOINTS, "kjv"), { out: join(folder, "kjv") });
  await api.compile(join(CHECKPOINTS, "bert-base-model"), { out: join(folder, "bert") });
}, 120_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(dist, { recursive: true, force: true });
});

async function answer(model: Api.Model, prompt: Parameters<typeof Api.generate>[1], options?: Api.GenerateOptions) {
  const texts: string[] = [];
  for await (const { row, text } of api.generate(model, prompt, options)) texts[row] = (texts[row] ?? "") + text;
  return texts;
}

describe("in Node", () => {
  test("generates, one prompt or several", async () => {
    const model = await api.load(join(folder, "kjv"));
    expect(await answer(model, "And God said", { stop: ["\n"] })).toEqual([SAID]);
    const both = await answer(model, ["And God said", "Thou shalt"], { stop: ["\n"], maxTokens: 24 });
    expect(both[0]).toBe(SAID);
    await model.close();
  });

  test("embeds: rows are of length one, and as they are alone", async () => {
    const model = await api.load(join(folder, "bert"));
    const [first, second] = await api.embed(model, ["the", "they could see the long water"]);
    expect(Math.hypot(...first!)).toBeCloseTo(1, 5);
    const [alone] = await api.embed(model, ["they could see the long water"]);
    for (const [i, x] of second!.entries()) expect(Math.abs(x - alone![i]!)).toBeLessThan(1e-5);
    await expect(api.embed(model, ["a"], { output: "none" })).rejects.toThrow("no output none");
    await model.close();
  });

  test("runs with what is given, and says what is missing", async () => {
    const model = await api.load(join(folder, "kjv"));
    const ids = { dtype: "int64", dims: [1, 2], data: BigInt64Array.of(1n, 2n) } as const;
    expect((await model.run({ input_ids: ids })).get("logits")!.dims).toEqual([1, 2, 1024]);
    await expect(model.run({})).rejects.toMatchObject({ diagnostics: [{ code: "cli/missing-input" }] });
    await expect(model.run({ input_ids: ids, more: ids })).rejects.toThrow("more");
    await model.close();
  });

  test("compiles programs, and mistakes are errors with their diagnostics", async () => {
    const program = "decoder x{layers} < gqa(2), rmsnorm, swiglu >";
    const settings = { hidden: 16, heads: 4, layers: 1 };
    const made = await api.compile(
      { program: program.replace("{layers}", "1") },
      {
        out: join(folder, "own"),
        settings: { hidden: settings.hidden, heads: settings.heads },
      },
    );
    expect(made.files.map((f) => f.name)).toContain("model.onnx");
    expect(existsSync(join(folder, "own", "tfm.json"))).toBe(true);
    const wrong = api.compile(
      { program: "decoder x2 < gqa(3), rmsnorm, swiglu >" },
      {
        out: join(folder, "wrong"),
        settings: { hidden: 16, heads: 4 },
      },
    );
    await expect(wrong).rejects.toMatchObject({ name: "TfmError", diagnostics: [{ code: "setting/inexact" }] });
    await expect(api.load(join(folder, "none"))).rejects.toMatchObject({ diagnostics: [{ code: "cli/no-artifact" }] });
  });

  test("the example runs as it stands", async () => {
    if (!existsSync(join(root, "dist/node.js"))) return;
    const { stdout } = await promisify(execFile)("node", [join(root, "examples/api/node.mjs")], { timeout: 60_000 });
    expect(stdout).toContain(SAID);
    expect(stdout).toMatch(/cosine -?0\.\d+/);
  });
});

describe("in a browser", () => {
  const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) =>
    existsSync(p),
  );
  let server: Server;
  let url = "";
  beforeAll(async () => {
    const places: Record<string, string> = {
      "/model/": join(folder, "kjv"),
      "/bert/": join(folder, "bert"),
      "/tfm/": dist,
      "/ort/": join(root, "node_modules/onnxruntime-web/dist"),
      "/": join(root, "examples/api"),
    };
    const types: Record<string, string> = {
      html: "text/html",
      mjs: "text/javascript",
      js: "text/javascript",
      wasm: "application/wasm",
    };
    server = createServer((request, response) => {
      const path = new URL(request.url!, "http://x").pathname;
      const [at, from] = Object.entries(places).find(([p]) => path.startsWith(p))!;
      const file = join(from, path.slice(at.length));
      if (!existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
      response.writeHead(200, { "content-type": types[file.split(".").at(-1)!] ?? "application/octet-stream" });
      response.end(readFileSync(file));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  test.skipIf(CHROMIUM === undefined)(
    "the example generates, and compiles a program",
    { timeout: 120_000 },
    async () => {
      const browser = await chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox"] });
      try {
        const page = await browser.newPage();
        const errors: string[] = [];
        page.on("pageerror", (e) => errors.push(e.message));
        await page.goto(`${url}/web.html?prompt=And God said`);
        await page.waitForFunction(`document.title.startsWith("done")`, undefined, { timeout: 60_000 }).catch(() => {});
        expect(errors).toEqual([]);
        expect(await page.title()).toBe("done: model.onnx, model.onnx_data");
        expect(await page.textContent("#out")).toContain(SAID);
        const wanted = await (async () => {
          const model = await api.load(join(folder, "bert"));
          const [vector] = await api.embed(model, ["the long water"]);
          await model.close();
          return [...vector!];
        })();
        // As a text: the test runner would rewrite its imports.
        const found = await page.evaluate<number[]>(`(async () => {
        const [ort, { embed, load }] = await Promise.all([import("/ort/ort.min.mjs"), import("/tfm/web.js")]);
        const model = await load("/bert", { ort });
        const [vector] = await embed(model, ["the long water"]);
        return [...vector];
      })()`);
        expect(found).toHaveLength(wanted.length);
        for (const [i, x] of found.entries()) expect(Math.abs(x - wanted[i]!)).toBeLessThan(1e-5);
      } finally {
        await browser.close();
      }
    },
  );
});
