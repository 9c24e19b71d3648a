/** The package's programs' interface: in Node as it is built, and in headless Chromium over onnxruntime-web. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
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
  // As the package's own says it.
  const { sideEffects } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { sideEffects: boolean };
  writeFileSync(join(dist, "package.json"), JSON.stringify({ type: "module", sideEffects }));
  api = (await import(pathToFileURL(join(dist, "node.js")).href)) as typeof Api;
  await api.compile(join(CHECKPOINTS, "kjv"), { out: join(folder, "kjv") });
  await api.compile(join(CHECKPOINTS, "bert-base-model"), { out: join(folder, "bert") });
  await api.compile(join(CHECKPOINTS, "llama3"), { out: join(folder, "llama") });
  await api.compile(join(CHECKPOINTS, "t5"), { out: join(folder, "t5") });
  for (const cache of ["whole", "rows"] as const)
    await api.compile(join(CHECKPOINTS, "llama3"), { out: join(folder, `half-${cache}`), dtype: "float16", cache });
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

  test("a folder for TensorFlow.js generates too", async () => {
    await api.compile(join(CHECKPOINTS, "kjv"), { out: join(folder, "tfjs"), target: "tfjs" });
    const model = await api.load(join(folder, "tfjs"));
    expect(await answer(model, "And God said", { stop: ["\n"] })).toEqual([SAID]);
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

test("a program's bundler keeps what is used: text and conversations are loaded when they are needed", async () => {
  const bundled = async (names: string, splitting: boolean) =>
    (
      await build({
        stdin: { contents: `export { ${names} } from "${dist}/web.js"`, resolveDir: root },
        ...{ bundle: true, minify: true, format: "esm", splitting, write: false, metafile: true, outdir: "out" },
      })
    ).metafile.outputs;
  // A part alone brings along nothing else.
  const [sampler] = Object.values(await bundled("Sampler", false));
  expect(sampler!.bytes).toBeLessThan(5_000);
  const outputs = await bundled("load, generate", true);
  const loaded = new Set<string>();
  const visit = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const { path, kind } of outputs[file]!.imports) if (kind === "import-statement") visit(path);
  };
  visit(Object.keys(outputs).find((file) => outputs[file]!.entryPoint === "<stdin>")!);
  const inputs = [...loaded].flatMap((file) => Object.keys(outputs[file]!.inputs));
  expect([...loaded].reduce((n, file) => n + outputs[file]!.bytes, 0)).toBeLessThan(130_000);
  expect(inputs.filter((name) => /tokenizer|compile/.test(name))).toEqual([]);
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
      "/llama/": join(folder, "llama"),
      "/t5/": join(folder, "t5"),
      "/half-whole/": join(folder, "half-whole"),
      "/half-rows/": join(folder, "half-rows"),
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

  describe.skipIf(CHROMIUM === undefined)("on WebGPU", () => {
    /** What a program in the page comes to, and what it was told; as a text, for the test runner would rewrite its imports. */
    async function inPage<T>(args: readonly string[], program: string): Promise<T & { told: string[] }> {
      const browser = await chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox", ...args] });
      try {
        const page = await browser.newPage();
        await page.goto(`${url}/node.mjs`);
        return await page.evaluate<T & { told: string[] }>(`(async () => {
          const [ort, { embed, generate, load }] =
            await Promise.all([import("/ort/ort.webgpu.min.mjs"), import("/tfm/web.js")]);
          ort.env.wasm.wasmPaths = "/ort/";
          const told = [];
          const open = (at, providers) => load(at, { ort, providers, warn: (text) => told.push(text) });
          const answer = async (model, prompt, options) => {
            let all = "";
            for await (const { text } of generate(model, prompt, options)) all += text;
            return all;
          };
          ${program}
        })()`);
      } finally {
        await browser.close();
      }
    }
    interface Found {
      readonly said: string;
      readonly vector: readonly number[];
    }
    const gpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
    const prompt = "they could see the long water";
    /** What Node makes of the same. */
    async function elsewhere(): Promise<Found> {
      const llama = await api.load(join(folder, "llama"));
      const [said] = await answer(llama, prompt, { maxTokens: 8 });
      await llama.close();
      const bert = await api.load(join(folder, "bert"));
      const [vector] = await api.embed(bert, [prompt]);
      await bert.close();
      return { said: said!, vector: [...vector!] };
    }
    const both = (providers: readonly string[]): string => `
      const llama = await open("/llama", ${JSON.stringify(providers)});
      const said = await answer(llama, ${JSON.stringify(prompt)}, { maxTokens: 8 });
      const bert = await open("/bert", ${JSON.stringify(providers)});
      const [vector] = await embed(bert, [${JSON.stringify(prompt)}]);
      await llama.close();
      await bert.close();
      return { said, vector: [...vector], told };`;
    const furthest = (found: Found, wanted: Found): number =>
      Math.max(...wanted.vector.map((x, i) => Math.abs(x - found.vector[i]!)));

    test("a decoder and an encoder run on it as they do elsewhere", { timeout: 120_000 }, async () => {
      const wanted = await elsewhere();
      const found = await inPage<Found>(gpu, both(["webgpu"]));
      expect(found).toMatchObject({ said: wanted.said, told: [] });
      expect(furthest(found, wanted)).toBeLessThan(1e-4);
    });

    test("where there is none, the next provider takes its place, and that is said", { timeout: 120_000 }, async () => {
      const wanted = await elsewhere();
      const found = await inPage<Found>(["--disable-gpu"], both(["webgpu", "wasm"]));
      expect(found.said).toBe(wanted.said);
      expect(furthest(found, wanted)).toBeLessThan(1e-5);
      expect(found.told).toHaveLength(2);
      for (const text of found.told) expect(text).toMatch(/model\.onnx cannot run on webgpu, and runs on wasm: .+/);
    });

    test("so it does where the device lacks what the model needs", { timeout: 120_000 }, async () => {
      // Its weights are stored as halves, which this device's shaders have not.
      const found = await inPage<{ said: string }>(
        gpu,
        `const kjv = await open("/model", ["webgpu", "wasm"]);
         return { said: await answer(kjv, "And God said", { stop: ["\\n"] }), told };`,
      );
      expect(found.said).toBe(SAID);
      expect(found.told).toEqual([expect.stringContaining("requires f16")]);
    });

    test("a cache of halves, whole and in rows", { timeout: 120_000 }, async () => {
      const found = await inPage<{ said: string[] }>(
        [],
        `const said = [];
         for (const cache of ["whole", "rows"])
           said.push(await answer(await open("/half-" + cache, ["wasm"]), ${JSON.stringify(prompt)}, { maxTokens: 8 }));
         return { said, told };`,
      );
      const model = await api.load(join(folder, "half-whole"));
      const [said] = await answer(model, prompt, { maxTokens: 8 });
      await model.close();
      expect(found.said).toEqual([said, said]);
    });

    test("an encoder-decoder is two models that read the same weights", { timeout: 120_000 }, async () => {
      const t5 = await api.load(join(folder, "t5"));
      const [said] = await answer(t5, prompt, { maxTokens: 8, end: [] });
      await t5.close();
      const found = await inPage<{ said: string; fetched: string[] }>(
        [],
        `const fetched = [];
         const model = await load("/t5", { ort, fetch: (at) => { fetched.push(at.split("/").at(-1)); return fetch(at); } });
         const said = await answer(model, ${JSON.stringify(prompt)}, { maxTokens: 8, end: [] });
         return { said, fetched, told };`,
      );
      expect(found.said).toBe(said);
      expect(said).not.toBe("");
      const weights = found.fetched.filter((name) => name.endsWith(".safetensors"));
      expect(new Set(weights).size).toBe(weights.length);
    });

    test("a file that is cut short, or gone, is said by its name", { timeout: 120_000 }, async () => {
      const found = await inPage<{ codes: string[] }>(
        [],
        `const codes = [];
         for (const [file, change] of [
           ["model.safetensors", (b) => new Response(b.slice(0, 4000))],
           ["model.onnx", () => new Response(null, { status: 404 })],
           ["tokenizer.json", () => new Response("<html>")],
           ["tfm.json", () => new Response("[1]")],
           ["tfm.json", () => new Response('{ "version": 1 }')],
         ]) {
           const get = async (at) => {
             const answer = await fetch(at);
             return at.endsWith(file) ? change(await answer.arrayBuffer()) : answer;
           };
           try {
             const model = await load("/llama", { ort, fetch: get });
             await answer(model, "they", { maxTokens: 2 });
             codes.push("none");
           } catch (e) {
             codes.push(e.diagnostics?.[0].code ?? String(e));
           }
         }
         return { codes };`,
      );
      expect(found.codes).toEqual([
        "artifact/file-size",
        "artifact/missing-file",
        "cli/bad-config",
        "cli/bad-config",
        "artifact/record",
      ]);
    });
  });
});
