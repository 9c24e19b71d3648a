/** The built command, as `npm install` makes it: it starts, finds its library, and loads little before it knows what to do. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { format, type Plugin } from "prettier";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = new URL("../..", import.meta.url).pathname;
let folder = "";
beforeAll(async () => {
  // Inside the package, where the command looks for the library and its dependencies.
  folder = mkdtempSync(join(root, "node_modules", ".tfm-bundle-"));
  const { bundle } = (await import(join(root, "src/build.mjs"))) as { bundle: (outdir: string) => Promise<void> };
  await bundle(join(folder, "dist"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function tfm(...argv: readonly string[]) {
  return spawnSync(process.execPath, [join(folder, "dist", "cli.js"), ...argv], {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
}

test("it answers, and its exit status is the command's", () => {
  expect(tfm("--version")).toMatchObject({
    status: 0,
    stderr: "",
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as unknown,
  });
  expect(tfm("chek").status).toBe(2);
  expect(tfm("explain", "no/such").status).toBe(1);
});

test("it compiles and runs", () => {
  const out = join(folder, "out");
  const made = tfm(
    "compile",
    "-e",
    "encoder < mha, layernorm, mlp(gelu) >",
    "-s",
    "hidden=8",
    "-s",
    "heads=2",
    "-o",
    out,
  );
  expect(made.stderr).toBe("");
  expect(made.stdout).toContain("run once in ONNX Runtime");
  expect(tfm("run", out, "--input", "x=random:1").stdout).toContain("float32[1, 8, 8]");
});

test("the plugin writes what `tfm fmt` writes, and brings prettier to neither", async () => {
  const text = "model m { input x: [batch,d]; output y = x->tanh }\nop f(x)=x  // as it is\n";
  const path = join(folder, "loose.tfm");
  writeFileSync(path, text);
  expect(tfm("fmt", path)).toMatchObject({ status: 0, stderr: "formatted 1 of 1 file\n" });
  const plugin = (await import(join(folder, "dist", "prettier.js"))) as Plugin;
  expect(await format(text, { filepath: path, plugins: [plugin] })).toBe(readFileSync(path, "utf8"));
  for (const file of readdirSync(join(folder, "dist", "chunks"))) {
    expect(readFileSync(join(folder, "dist", "chunks", file), "utf8")).not.toMatch(/(from|import\()"prettier/);
  }
});

test("--help and --version load the options and nothing else", () => {
  const cli = readFileSync(join(folder, "dist", "cli.js"), "utf8");
  const loaded = [...cli.matchAll(/(?:^|;)import(?:\{[^}]*\}from)?"(\.\/chunks\/[^"]+)"/g)].map(
    (m) => statSync(join(folder, "dist", m[1]!)).size,
  );
  expect(loaded.length).toBeGreaterThan(0);
  expect(cli.length + loaded.reduce((n, size) => n + size, 0)).toBeLessThan(80_000);
});

test("a reader that has seen enough is no error", () => {
  const said = spawnSync(
    "bash",
    ["-c", `"${process.execPath}" "${join(folder, "dist", "cli.js")}" ops | head -1; echo "\${PIPESTATUS[0]}"`],
    { encoding: "utf8" },
  );
  expect(said.stdout).toMatch(/^Primitive operators\n0\n$/);
  expect(said.stderr).toBe("");
});
