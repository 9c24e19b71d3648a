/** The playground as a reader uses it, in headless Chromium; and what a reader has to fetch for it. */
import { execFile } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = new URL("../..", import.meta.url).pathname;
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
/** Kilobytes, gzipped: the compiler with its library, without the editor and its language server. */
const MOST = 300;

test(`the compiler with the library is at most ${MOST} kB`, async () => {
  const { outputFiles } = await build({
    entryPoints: [join(root, "src/site/playground/compiler.ts")],
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    write: false,
    outdir: "unused",
    external: ["elkjs/*"],
    logLevel: "error",
  });
  const stdlib = readdirSync(join(root, "stdlib"), { recursive: true, encoding: "utf8" })
    .filter((f) => f.endsWith(".tfm"))
    .map((f) => readFileSync(join(root, "stdlib", f), "utf8"));
  const pieces = [...outputFiles.map((f) => f.contents), stdlib.join("")];
  const size = pieces.reduce((n, piece) => n + gzipSync(piece, { level: 9 }).length, 0) / 1000;
  expect(size).toBeGreaterThan(50);
  expect(size).toBeLessThan(MOST);
});

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".json": "application/json",
};

/** A plain server of files, as pages are published. */
function serverOf(folder: string): Server {
  return createServer((request, response) => {
    const path = new URL(request.url!, "http://x").pathname;
    const file = [path, `${path}.html`, join(path, "index.html")]
      .map((p) => join(folder, p))
      .find((f) => existsSync(f) && statSync(f).isFile());
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
    return createReadStream(file).pipe(response);
  });
}

describe.skipIf(!CHROMIUM)("in Chromium (skipped where there is none)", () => {
  let folder: string;
  let server: Server;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tfm-site-"));
    const vitepress = join(root, "node_modules/vitepress/bin/vitepress.js");
    await promisify(execFile)(process.execPath, [vitepress, "build", "src/site", "--outDir", folder], { cwd: root });
    server = serverOf(folder).listen(0);
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox"] });
    page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    page.on("pageerror", (error) => problems.push(error.message));
    page.setDefaultTimeout(120_000);
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/playground`);
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const tab = (title: string) => page.click(`.tabs button:text-is("${title}")`);

  test("the figure is drawn", async () => {
    await page.waitForSelector(".figure svg");
    expect(await page.textContent(".figure svg")).toContain("Grouped-query attention");
  }, 180_000);

  test("parameters, ONNX and TensorFlow.js are shown", async () => {
    await tab("Parameters");
    await page.waitForSelector(".seen table td");
    expect(await page.textContent(".seen .table")).toContain("parameters");
    await tab("ONNX");
    await page.waitForSelector('.seen pre.text:has-text("ai.onnx")');
    await tab("TensorFlow.js");
    await page.waitForSelector('.seen pre.text:has-text("graph-model")');
  }, 180_000);

  test("it runs on random weights", async () => {
    await page.click("button.run");
    await page.waitForSelector(".result table");
    expect(await page.textContent(".result")).toMatch(/On (wasm|webgpu|cpu).*logits/);
  }, 180_000);

  test("a mistake is shown by the compiler and underlined by the language server; the picture follows what is typed", async () => {
    await page.click(".cm-content");
    await page.keyboard.press("Control+End");
    await page.keyboard.type("\nmodel wrong() { input x: float[batch, hidden] output y = x -> nosuch }");
    await page.waitForSelector('.seen pre.error:has-text("nothing here is called nosuch")');
    await page.waitForSelector('.cm-lintRange-error:has-text("nosuch")');
    for (let i = 0; i < 8; i++) await page.keyboard.press("Backspace");
    await page.keyboard.type("layernorm }");
    await tab("Figure");
    await page.waitForSelector(".figure svg");
    expect(problems).toEqual([]);
  }, 180_000);
});
