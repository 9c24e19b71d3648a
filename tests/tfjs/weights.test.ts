/** Weights stored in half precision: half the bytes, and nearly the numbers. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { CHECKPOINTS, readFixture } from "../support/checkpoint-cases.ts";
import { readCases, runCases, type Tensors } from "../support/cases.ts";
import { tfm } from "../support/cli.ts";
import { tensorflow } from "../support/tfjs.ts";
import { use } from "../support/tfjs-model.ts";
import { openTfjs } from "../support/tfjs-session.ts";

const folder = mkdtempSync(join(tmpdir(), "tfm-tfjs-weights-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("float16", async () => {
  const source = join(CHECKPOINTS, "gpt2");
  const made = await tfm("compile", source, "-o", join(folder, "half"), "-t", "tfjs", "--dtype", "float16");
  expect(made, made.err).toMatchObject({ status: 0, err: "" });
  const shards = readdirSync(join(folder, "half")).filter((name) => name.endsWith(".bin"));
  const bytes = shards.reduce((n, name) => n + statSync(join(folder, "half", name)).size, 0);
  const { parameterCount } = readFixture("gpt2");
  expect(bytes).toBeGreaterThanOrEqual(2 * parameterCount);
  expect(bytes).toBeLessThan(2.2 * parameterCount);

  await use("cpu");
  const session = await openTfjs(join(folder, "half", "model.json"), await tensorflow());
  const found: Tensors[] = [];
  await runCases(
    source,
    {
      ...session,
      run: async (feed) => {
        const outputs = await session.run(feed);
        found.push(outputs);
        return outputs;
      },
    },
    ["forward"],
  );
  session.dispose();
  const cases = readCases(source).filter((c) => c.kind === "forward");
  expect(found.length).toBe(cases.length);
  cases.forEach(({ name, outputs }, i) => {
    if (name === "batch2") return; // Padded places hold whatever the reference left there.
    const [wanted, logits] = [outputs.get("logits")!.data, found[i]!.get("logits")!.data];
    const scale = Math.max(1, ...wanted.map(Math.abs));
    const worst = Math.max(...wanted.map((w, k) => Math.abs(w - logits[k]!))) / scale;
    // A half has 11 bits; what is stored is not what was computed.
    expect(worst).toBeLessThan(1e-2);
    expect(worst).toBeGreaterThan(1e-6);
  });
});
