/** A file of text is written whole or not at all. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { replaceFile } from "../../src/host/replace.ts";

let folder = "";
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "tfm-replace-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = new URL("../../src/host/replace.ts", import.meta.url).pathname;

test("where a file may not grow as long, the old one stays, and nothing beside it", async () => {
  const bundle = join(folder, "bundle/replace.mjs");
  await build({
    entryPoints: [source],
    outfile: bundle,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
  });
  const work = mkdtempSync(join(folder, "work-"));
  const file = join(work, "figure.svg");
  writeFileSync(file, "old");
  const program = `
    import { replaceFile } from ${JSON.stringify(bundle)};
    console.log(replaceFile(${JSON.stringify(file)}, "x".repeat(1_000_000)).map((d) => d.message).join());
  `;
  // At most a few kilobytes a file: what a full disk does in the middle of a write.
  const said = spawnSync("bash", [
    "-c",
    `ulimit -f 8; exec "$0" --input-type=module -e "$1"`,
    process.execPath,
    program,
  ]);
  expect(said.stdout.toString()).toContain("cannot be written");
  expect(readdirSync(work)).toEqual(["figure.svg"]);
  expect(readFileSync(file, "utf8")).toBe("old");
});

test("a folder that is not there is named as what is wrong", () => {
  const [problem] = replaceFile(join(folder, "none/figure.svg"), "x");
  expect(problem?.message).toContain("its folder does not exist");
});

test("a new file and an old one", () => {
  const file = join(folder, "new.svg");
  for (const text of ["one", "two"]) {
    expect(replaceFile(file, text)).toEqual([]);
    expect(readFileSync(file, "utf8")).toBe(text);
  }
});
