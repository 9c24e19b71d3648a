/** The command line: what it prints where, and with which status it ends. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { catalog } from "../../src/diagnostics/catalog/index.ts";
import { tfm } from "../support/cli.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfm-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const STACK = ["-e", "decoder x2 < gqa(2), rmsnorm, swiglu >", "-s", "hidden=64", "-s", "heads=4"];

describe("usage", () => {
  test("--version and --help answer on stdout", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(await tfm("--version")).toEqual({ status: 0, out: `${version}\n`, err: "" });
    const help = await tfm("--help");
    expect(help).toMatchObject({ status: 0, err: "" });
    for (const command of ["compile", "check", "run", "info", "explain", "ops"]) expect(help.out).toContain(command);
  });

  test("an unknown option or command ends with 2 and the nearest one", async () => {
    const option = await tfm("check", "--modle", "x");
    expect(option).toMatchObject({ status: 2, out: "" });
    expect(option.err).toContain("Did you mean --model?");
    const command = await tfm("chek");
    expect(command).toMatchObject({ status: 2, out: "" });
    expect(command.err).toContain("Did you mean check?");
  });

  test("nothing to read, two things to read, and -m beside a checkpoint are usage errors", async () => {
    for (const argv of [
      ["check"],
      ["check", "a.tfm", "-e", "x"],
      ["info", join("tests", "checkpoints", "kjv"), "-m", "x"],
    ]) {
      const said = await tfm(...argv);
      expect(said, argv.join(" ")).toMatchObject({ status: 2, out: "" });
      expect(said.err).toMatch(/^error: /);
    }
    const target = await tfm("compile", ...STACK, "-t", "onxn", "-o", "x");
    expect(target.status).toBe(2);
    expect(target.err).toContain("onnx-17");
    expect((await tfm("compile", ...STACK, "--seed", "1.5", "-o", "x")).status).toBe(2);
  });
});

describe("what cannot be read", () => {
  const cases: readonly (readonly [string, () => readonly string[], RegExp])[] = [
    ["cli/no-such-source", () => [file("model.tfm", "") && join(folder, "modle.tfm")], /did you mean .*model\.tfm\?/],
    ["cli/no-such-source", () => ["decoder x2 < mha >"], /stands after -e/],
    ["cli/not-a-source", () => [file("weights/model.safetensors", "")], /a file of weights/],
    [
      "cli/no-config",
      () => [file("downloads/a/config.json", "{}").replace("/a/config.json", "")],
      /there is one in .*downloads\/a/,
    ],
    [
      "cli/bad-config",
      () => [file("cut/config.json", '{"model_type": ').replace("/config.json", "")],
      /config\.json is no JSON object/,
    ],
    ["cli/unreadable", () => [binary()], /no UTF-8 text/],
    ["cli/setting-form", () => [...STACK.slice(0, 2), "-s", "heads"], /takes NAME=VALUE, not heads/],
    ["cli/setting-twice", () => [...STACK, "-s", "heads=8"], /gives heads twice/],
  ];
  function binary(): string {
    const path = join(folder, "binary.tfm");
    writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00, 0x41]));
    return path;
  }
  test.each(cases)("%s", async (code, argv, message) => {
    const said = await tfm("check", ...argv());
    expect(said.status).toBe(1);
    expect(said.err).toContain(`error[${code}]`);
    expect(said.err).toMatch(message);
    expect(said.out).toBe("");
  });
});

describe("check", () => {
  test("a sound program: its signature and its parameters", async () => {
    const said = await tfm("check", ...STACK);
    expect(said).toMatchObject({ status: 0, err: "" });
    expect(said.out).toMatch(/inputs +x +float\[batch, seq, hidden=64\]/);
    // Two layers: q and out 64 x 64, k and v 32 x 64, two norms of 64, three matrices of 256 x 64.
    expect(said.out).toContain((2 * (2 * 64 * 64 + 2 * 32 * 64 + 2 * 64 + 3 * 256 * 64)).toLocaleString("en-US"));
  });

  test("mistakes of several files in one run, as text and as data", async () => {
    const a = file(
      "a.tfm",
      "model a(hidden = 64, heads = 4) {\n  input x: float[batch, seq, hidden]\n  output y = x -> decoder < gqa(3), rmsnorm, swiglu >\n}\n",
    );
    const b = file("b.tfm", "model b(hidden = 64) {\n  input x: float[batch, hidden]\n  output y = z\n}\n");
    const said = await tfm("check", a, b);
    expect(said.status).toBe(1);
    expect(said.err).toContain("setting/inexact");
    expect(said.err).toContain("b.tfm:3:14");
    const json = await tfm("check", a, b, "--json");
    expect(json).toMatchObject({ status: 1, err: "" });
    const data = JSON.parse(json.out) as { ok: boolean; diagnostics: { code: string }[] };
    expect(data.ok).toBe(false);
    expect(data.diagnostics.map((d) => d.code)).toContain("setting/inexact");
  });
});

describe("info", () => {
  test("counts, folds equal layers, and gives the same as data", async () => {
    const said = await tfm("info", "-m", "llama_2_7b");
    expect(said).toMatchObject({ status: 0, err: "" });
    expect(said.out).toContain("6,738,415,616");
    expect(said.out).toContain("layers.{0..31}");
    const json = JSON.parse((await tfm("info", "-m", "llama_2_7b", "--json")).out) as {
      parameters: number;
      flopsPerToken: { fixed: number };
      memory: Record<string, { cachePerToken: number }>;
    };
    expect(json.parameters).toBe(6_738_415_616);
    // Two operations for each weight but those of the table of words, which is looked up, and of the norms.
    expect(json.flopsPerToken.fixed).toBe(2 * (6_738_415_616 - 32_000 * 4096 - 65 * 4096));
    expect(json.memory["float16"]!.cachePerToken).toBe(2 * 2 * 32 * 4096);
  });
});

describe("explain", () => {
  test("every code, with both examples", async () => {
    for (const code of Object.keys(catalog)) {
      const said = await tfm("explain", code);
      expect(said, code).toMatchObject({ status: 0, err: "" });
      expect(said.out).toContain("Wrong");
      expect(said.out).toContain("Right");
    }
  });

  test("a list, and the nearest code", async () => {
    expect((await tfm("explain")).out.split("\n").length).toBeGreaterThan(Object.keys(catalog).length);
    const said = await tfm("explain", "setting/mising");
    expect(said).toMatchObject({ status: 1, out: "" });
    expect(said.err).toContain("did you mean setting/missing?");
    expect((await tfm("explain", "missing")).err).toContain("setting/missing");
  });
});

describe("ops", () => {
  test("primitives and the library's operators", async () => {
    const said = await tfm("ops");
    expect(said.status).toBe(0);
    for (const name of ["softmax", "dot", "rms_norm", "attend"])
      expect(said.out).toMatch(new RegExp(`^ +${name} `, "m"));
    const one = await tfm("ops", "rms_norm");
    expect(one.out).toContain("x * rsqrt(mean(x ^ 2, over = d) + eps) * weight");
    expect((await tfm("ops", "softmaxx")).err).toContain("did you mean softmax?");
    expect(JSON.parse((await tfm("ops", "gelu", "--json")).out)).toMatchObject([
      { name: "gelu", kind: "library", kernel: true },
    ]);
  });
});
