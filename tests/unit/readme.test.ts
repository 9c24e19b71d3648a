/** The README is true: its programs compile to what it says, its mistakes are reported as it shows them, its links lead somewhere. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tfm } from "../support/cli.ts";

const root = new URL("../..", import.meta.url).pathname;
const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((m) => ({ language: m[1]!, text: m[2]! }));
const program = blocks.find((b) => b.language === "tfm" && b.text.includes("model tiny"))!.text;

let folder = "";
const before = process.cwd();
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfm-readme-"));
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

/** `npx tfm a b | c`, as words; quotes are the shell's. */
function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map((m) => m[1] ?? m[2]!);
}

test("the first command's model fills the gaps as shown", async () => {
  const [compile, run] = [...blocks[1]!.text.matchAll(/npx tfm ((?:compile|run) .*?)(?: &&|$)/gm)].map((m) =>
    words(m[1]!),
  );
  const made = await tfm(...compile!.map((w) => (w.startsWith("tests/") ? join(root, w) : w)));
  expect(made.status, made.err).toBe(0);
  expect((await tfm(...run!)).out).toBe(blocks[2]!.text);
});

test("its program compiles, with both feed-forward networks", async () => {
  for (const [text, parameters] of [
    [program, "251,200"],
    [program.replace("swiglu", "mlp(gelu)"), "219,072"],
  ] as const) {
    writeFileSync("my_model.tfm", text);
    const made = await tfm("compile", "my_model.tfm", "-o", "out/tiny");
    expect(made.status, made.err).toBe(0);
    expect(made.out).toContain(`parameters  ${parameters}`);
    expect(readme).toContain(parameters);
    expect((await tfm("run", "out/tiny", "--input", "input_ids=[[1, 2, 3]]")).out).toContain(
      "logits  float32[1, 3, 1000]",
    );
  }
});

/** Lines of the library move; what it says does not. */
function withoutPlaces(text: string): string {
  return text
    .replace(/^ *\d+ (?=\|)/gm, "")
    .replace(/(std\/\S+?):\d+:\d+/g, "$1")
    .replace(/^ +(?=[|=:-])/gm, "");
}

test("its mistakes are reported as shown", async () => {
  const shown = blocks.filter((b) => b.text.startsWith("error[")).map((b) => b.text);
  expect(shown).toHaveLength(2);
  const mistakes = [program.replace("gqa(2,", "gqa(3,"), program.replace(" rmsnorm, swiglu", " swiglu")];
  for (const [i, text] of mistakes.entries()) {
    writeFileSync("my_model.tfm", text);
    const { status, err } = await tfm("check", "my_model.tfm");
    expect(status).toBe(1);
    // The second is shown without the place in the library.
    const found = withoutPlaces(err);
    if (i === 0) expect(found).toBe(withoutPlaces(shown[i]!));
    else for (const line of withoutPlaces(shown[i]!).trimEnd().split("\n")) expect(found.split("\n")).toContain(line);
  }
});

test("its other commands work", async () => {
  for (const [, command] of readme.matchAll(/`npx tfm ([^`]*)`/g)) {
    if (/my_model|FOLDER|SOURCE/.test(command!)) continue;
    const here = words(command!).map((w) => (existsSync(join(root, w)) ? join(root, w) : w));
    const said = await tfm(...here);
    expect(said, command).toMatchObject({ status: 0, err: "" });
  }
});

test("its links lead somewhere", () => {
  // A program may have brackets before parentheses, too.
  const prose = readme.replace(/^```.*?^```$/gms, "");
  for (const [, path] of prose.matchAll(/\]\(([^)]+)\)/g)) expect(existsSync(join(root, path!)), path).toBe(true);
});
