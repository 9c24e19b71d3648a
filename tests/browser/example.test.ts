/** The page of `examples/browser` as a reader uses it, in headless Chromium: a text on webgpu and on wasm, masks, and a broken folder. */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { promisify } from "node:util";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHECKPOINTS, readFixture } from "../support/checkpoint-cases.ts";
import { tfm } from "../support/cli.ts";

const root = new URL("../..", import.meta.url).pathname;
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

describe.skipIf(!CHROMIUM)("examples/browser", () => {
  const site = mkdtempSync(join(tmpdir(), "tfm-browser-"));
  let browser: Browser;
  let server: Server;
  let address = "";

  beforeAll(async () => {
    await promisify(execFile)(
      process.execPath,
      [
        join(root, "node_modules/vite/bin/vite.js"),
        "build",
        join(root, "examples/browser"),
        "--outDir",
        site,
        "--emptyOutDir",
        "--logLevel",
        "error",
      ],
      { cwd: root },
    );
    mkdirSync(site, { recursive: true });
    for (const name of ["gpt2", "kjv", "kjv-bert"])
      expect(await tfm("compile", join(CHECKPOINTS, name), "-o", join(site, name), "-t", "tfjs")).toMatchObject({
        status: 0,
      });
    cpSync(join(site, "gpt2"), join(site, "cut"), { recursive: true });
    truncateSync(join(site, "cut/model-shard1of1.bin"), 1000);
    server = createServer((request, response) => {
      const path = join(site, normalize(new URL(request.url!, "http://localhost").pathname));
      const file = existsSync(path) && statSync(path).isDirectory() ? join(path, "index.html") : path;
      if (!existsSync(file)) return void response.writeHead(404).end();
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
      response.end(readFileSync(file));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    browser = await chromium.launch({
      executablePath: CHROMIUM!,
      args: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
    });
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(site, { recursive: true, force: true });
  });

  const open = async (query: string): Promise<Page> => {
    const page = await browser.newPage();
    await page.goto(`${address}?${query}`);
    await page.waitForFunction("/ready|failed/.test(document.querySelector('#status').textContent)", undefined, {
      timeout: 60_000,
    });
    return page;
  };
  const status = (page: Page): Promise<string> => page.locator("#status").innerText();
  const run = async (page: Page, prompt: string): Promise<string> => {
    await page.fill("#prompt", prompt);
    await page.click("button");
    await page.waitForFunction("/done|failed/.test(document.querySelector('#status').textContent)", undefined, {
      timeout: 60_000,
    });
    return page.locator("#text").innerText();
  };

  test.each(["webgpu", "wasm"])(
    "a text on %s",
    async (backend) => {
      const page = await open(`model=gpt2&backend=${backend}&tokens=4`);
      expect(await status(page)).toBe(`ready on ${backend}`);
      const { tokenizer } = readFixture("gpt2");
      const [sample] = tokenizer;
      const text = await run(page, sample!.text);
      expect(await status(page)).toMatch(new RegExp(`done on ${backend}`));
      expect(text.startsWith(sample!.text)).toBe(true);
      expect(text.length).toBeGreaterThan(sample!.text.length);
      texts.push(text);
      await page.close();
    },
    120_000,
  );
  const texts: string[] = [];
  test("both backends wrote the same", () => expect(new Set(texts).size).toBe(1));

  test("a trained model, on whatever there is without a GPU", async () => {
    const page = await open("model=kjv&backend=nonsense,wasm&tokens=6");
    expect(await status(page)).toBe("ready on wasm");
    expect(await run(page, "And it came to pass")).toMatch(/^And it came to pass\b.{5}/);
    await page.close();
  }, 120_000);

  test("masks are filled in", async () => {
    const page = await open("model=kjv-bert&backend=wasm");
    const text = await run(page, "And it came to [MASK], that he went up to the house of the [MASK].");
    expect(text).toMatch(/came to pass/);
    expect(text).toMatch(/house of the lord/);
    await page.close();
  }, 120_000);

  test("a folder with a shard that is cut short", async () => {
    const page = await open("model=cut&backend=wasm");
    expect(await status(page)).toMatch(/^failed: .*cut short/);
    await page.close();
  }, 120_000);
});

if (!CHROMIUM) test.skip("not tested: there is no Chromium here", () => undefined);
