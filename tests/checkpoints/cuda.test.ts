/**
 * The graphs for ONNX Runtime's CUDA provider give what the reference implementation computed, in its CPU provider: that has every
 * operator of theirs too.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tfm } from "../support/cli.ts";
import { runFolder } from "../support/onnx-session.ts";

const here = new URL(".", import.meta.url).pathname;
const checkpoints = readdirSync(here).filter((name) => statSync(join(here, name)).isDirectory());

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfm-cuda-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("onnx for cuda", () => {
  test.each(checkpoints)("%s", { timeout: 120_000 }, async (name) => {
    const out = join(folder, name);
    const made = await tfm("compile", join(here, name), "-o", out, "--provider", "cuda");
    expect(made, made.err).toMatchObject({ status: 0, err: "" });
    const tally = await runFolder(join(here, name), out);
    expect(tally.failures).toEqual([]);
    expect(tally.cases).toBeGreaterThanOrEqual(2);
  });
});
