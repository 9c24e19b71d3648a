/**
 * Every checkpoint folder here, compiled for every target by the command itself, gives what the reference implementation computed:
 * whole sequences, padded batches, prefill and steps, greedy text.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TARGETS } from "../../src/cli/program.ts";
import { tfm } from "../support/cli.ts";
import { runFolder } from "../support/onnx-session.ts";

const here = new URL(".", import.meta.url).pathname;
const checkpoints = readdirSync(here).filter((name) => statSync(join(here, name)).isDirectory());

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfm-checkpoints-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("there are checkpoints", () => expect(checkpoints.length).toBeGreaterThanOrEqual(14));

describe.each(checkpoints)("%s", (name) => {
  test.each(TARGETS.filter((t) => t !== "tfjs"))("%s", async (target) => {
    const out = join(folder, name, target);
    const made = await tfm("compile", join(here, name), "-o", out, "-t", target);
    expect(made, made.err).toMatchObject({ status: 0, err: "" });
    const tally = await runFolder(join(here, name), out);
    expect(tally.failures).toEqual([]);
    expect(tally.cases).toBeGreaterThanOrEqual(2);
  });
});
