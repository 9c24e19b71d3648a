/**
 * The graphs for ONNX Runtime's WebGPU provider give what the reference implementation computed, on a Vulkan driver in software. Where
 * there is none they are skipped: `apt-get install chromium` brings one along. The loader asks for the driver when the first session
 * is opened.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tfm } from "../support/cli.ts";
import { runFolder } from "../support/onnx-session.ts";
import { nvidiasVulkan } from "../support/vulkan.ts";

const here = new URL(".", import.meta.url).pathname;
const checkpoints = readdirSync(here).filter((name) => statSync(join(here, name)).isDirectory());
const driver = process.env["VK_ICD_FILENAMES"];

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfm-webgpu-"));
  const nvidias = nvidiasVulkan(folder);
  if (nvidias !== undefined) process.env["VK_ICD_FILENAMES"] = nvidias;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(driver === undefined)("onnx for webgpu (needs a Vulkan driver)", () => {
  test.each(checkpoints)("%s", { timeout: 300_000 }, async (name) => {
    const out = join(folder, name);
    const made = await tfm("compile", join(here, name), "-o", out, "--provider", "webgpu");
    expect(made, made.err).toMatchObject({ status: 0, err: "" });
    const tally = await runFolder(join(here, name), out, "webgpu");
    expect(tally.failures).toEqual([]);
    expect(tally.cases).toBeGreaterThanOrEqual(2);
  });
});
