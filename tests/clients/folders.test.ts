/** `tfm compile --for` and `tfm check --for`: folders that clients open, and each trap of folders that they would not. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import proto, { type onnx } from "onnx-proto";
import { checkFolder, type FolderView } from "../../src/clients/check.ts";
import { clientNames, readClient } from "../../src/host/clients.ts";
import { tfm } from "../support/cli.ts";

const CHECKPOINTS = new URL("../checkpoints", import.meta.url).pathname;

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "tfm-clients-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (...names: string[]): string => join(root, ...names);

const json = (...names: string[]): Record<string, any> =>
  JSON.parse(readFileSync(at(...names), "utf8")) as Record<string, any>;

async function compiled(name: string, clients: string, ...more: string[]): Promise<string> {
  const folder = `${name}-${clients}`.replace(/\W/g, "-");
  if (!existsSync(at(folder))) {
    const said = await tfm("compile", join(CHECKPOINTS, name), "-o", at(folder), "--for", clients, ...more);
    expect(said, said.err).toMatchObject({ status: 0, err: "" });
  }
  return folder;
}

/** A copy of a compiled folder with one thing about it changed, and the codes that the check finds. */
async function codesOf(
  folder: string,
  client: string,
  change: (path: (name: string) => string) => void,
): Promise<{ codes: string[]; err: string; status: number }> {
  const copy = at("changed");
  rmSync(copy, { recursive: true, force: true });
  cpSync(at(folder), copy, { recursive: true });
  change((name) => join(copy, name));
  const said = await tfm("check", copy, "--for", client, "--json");
  const { diagnostics } = JSON.parse(said.out) as { diagnostics: { code: string; message: string }[] };
  return {
    codes: diagnostics.map((d) => d.code),
    err: diagnostics.map((d) => d.message).join("\n"),
    status: said.status,
  };
}

function edit(path: string, change: (value: Record<string, any>) => void): void {
  const value = JSON.parse(readFileSync(path, "utf8")) as Record<string, any>;
  change(value);
  writeFileSync(path, JSON.stringify(value));
}

function editModel(path: string, change: (graph: onnx.IGraphProto) => void): void {
  const model = proto.onnx.ModelProto.decode(readFileSync(path));
  change(model.graph!);
  writeFileSync(path, proto.onnx.ModelProto.encode(model).finish());
}

describe("folders that are written", () => {
  test("one folder for both: the model and its data under one folder, a config for each", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    const config = json(folder, "config.json");
    expect(config["transformers.js_config"]).toEqual({ dtype: "fp32", use_external_data_format: { "model.onnx": 1 } });
    expect(config["model_type"]).toBe("llama");
    const genai = json(folder, "genai_config.json");
    expect(genai["model"]).toMatchObject({
      type: "llama",
      vocab_size: 96,
      decoder: {
        filename: "onnx/model.onnx",
        head_size: 12,
        num_key_value_heads: 2,
        num_hidden_layers: 2,
        inputs: { past_key_names: "past_key_values.%d.key", position_ids: "position_ids" },
      },
    });
    for (const file of ["onnx/model.onnx", "onnx/model.onnx_data", "tokenizer.json", "tokenizer_config.json"])
      expect(existsSync(at(folder, file)), file).toBe(true);
    const said = await tfm("check", at(folder), "--for", "genai,transformers.js,tfm");
    expect(said, said.err).toMatchObject({ status: 0, err: "" });
    expect(said.out).toMatch(/(opens it[^]*){3}/);
    const ran = await tfm("run", at(folder), "--input", "input_ids=[[1,2,3]]", "--json");
    expect(ran.status, ran.err).toBe(0);
  });

  test("an encoder-decoder: two models, data of each under its own name", async () => {
    const folder = await compiled("t5", "transformers.js");
    expect(json(folder, "config.json")["transformers.js_config"]["use_external_data_format"]).toEqual({
      "encoder_model.onnx": 1,
      "decoder_model_merged.onnx": 1,
    });
    for (const file of ["encoder_model.onnx_data", "decoder_model_merged.onnx_data"])
      expect(existsSync(at(folder, "onnx", file)), file).toBe(true);
  });

  test("weights in several files become chunks, numbered as the model refers to them", async () => {
    const folder = await compiled("llama-sharded", "transformers.js");
    const declared = json(folder, "config.json")["transformers.js_config"]["use_external_data_format"]["model.onnx"];
    expect(declared).toBe(3);
    for (const file of ["model.onnx_data", "model.onnx_data_1", "model.onnx_data_2"])
      expect(existsSync(at(folder, "onnx", file)), file).toBe(true);
    expect(await tfm("check", at(folder), "--for", "transformers.js")).toMatchObject({ status: 0, err: "" });
  });

  test("an output has the client's word for it", async () => {
    const folder = await compiled("bert-pretraining", "transformers.js");
    const { outputs } = json(folder, "tfm.json") as { outputs: { name: string }[] };
    expect(outputs.map((o) => o.name)).toEqual(expect.arrayContaining(["logits", "seq_relationship_logits"]));
  });

  test("where the client's type keeps its past otherwise, the family's word for the nearest stands", async () => {
    const folder = await compiled("gpt2", "genai");
    expect(json(folder, "genai_config.json")["model"]["type"]).toBe("decoder");
  });

  test("a program of one's own gets each client's plainest type, and sizes from the model", async () => {
    writeFileSync(
      at("own.tfm"),
      `model own(vocab = 32, hidden = 16, heads = 4, layers = 3) grows seq {
  input tokens as "input_ids": int[batch as "batch_size", seq as "sequence_length"]
  input attention_mask as "attention_mask": bool[batch, seq] = true
  output logits = tokens -> words: embed(vocab) -> layers: decoder x{layers} < gqa(2, rope()), rmsnorm, swiglu >
    -> head: linear(vocab, bias = false)
}
`,
    );
    const said = await tfm("compile", at("own.tfm"), "-o", at("own"), "--for", "genai,transformers.js");
    expect(said.status, said.err).toBe(0);
    expect(said.err).toContain("client/no-tokenizer");
    expect(json("own", "config.json")).toMatchObject({ model_type: "llama", num_hidden_layers: 3, head_dim: 4 });
    expect(json("own", "genai_config.json")["model"]["type"]).toBe("decoder");
  });

  test("an unknown client is refused, and all are named", async () => {
    const said = await tfm("compile", join(CHECKPOINTS, "llama3"), "-o", at("unused"), "--for", "nobody");
    expect(said).toMatchObject({ status: 2 });
    expect(said.err).toContain("genai, tfm, transformers.js");
  });

  test.each([
    ["t5", "genai", "client/no-role", "without --for"],
    ["bert-base-model", "genai", "client/no-role", "without --for"],
    ["glm", "transformers.js", "client/input", "tfm run"],
    ["gpt2-sequence-classification", "transformers.js", "client/no-type", "--use"],
  ])("%s for %s is refused: %s", async (name, client, code, hint) => {
    const said = await tfm("compile", join(CHECKPOINTS, name), "-o", at("refused"), "--for", client);
    expect(said.status).toBe(1);
    expect(said.err).toContain(code);
    expect(said.err).toContain(hint);
    expect(existsSync(at("refused"))).toBe(false);
  });

  test("every client's rules name their sources, and their types are listed once", () => {
    for (const name of clientNames()) {
      const client = readClient(name);
      expect(Object.keys(client.sources).length, name).toBeGreaterThan(0);
      for (const role of Object.values(client.roles)) {
        const types = role.counts.flatMap((c) => c.types);
        expect(new Set(types).size).toBe(types.length);
      }
    }
  });
});

describe("traps of folders that others made", () => {
  test("sizes of the cache that are names: it would hold nothing", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    const { codes, err } = await codesOf(folder, "transformers.js", (path) =>
      editModel(path("onnx/model.onnx"), (graph) => {
        const past = graph.input!.find((i) => i.name === "past_key_values.0.key")!;
        past.type!.tensorType!.shape!.dim![1] = { dimParam: "kv_heads" };
        past.type!.tensorType!.shape!.dim![0] = { dimParam: "batch" };
      }),
    );
    expect(codes).toEqual(["client/cache-axis", "client/cache-axis"]);
    expect(err).toContain("axis 1 of past_key_values.0.key in onnx/model.onnx is called kv_heads, not a number");
    expect(err).toContain("not called batch_size");
  });

  test("a data file that is not declared, called otherwise, cut off, or not there", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    const check = (change: Parameters<typeof codesOf>[2]) => codesOf(folder, "transformers.js", change);
    const undeclared = await check((path) =>
      edit(path("config.json"), (c) => delete c["transformers.js_config"]["use_external_data_format"]),
    );
    expect(undeclared.codes).toEqual(["client/undeclared-data"]);
    const named = await check((path) => {
      cpSync(path("onnx/model.onnx_data"), path("onnx/weights.bin"));
      editModel(path("onnx/model.onnx"), (graph) => {
        for (const t of graph.initializer!)
          for (const e of t.externalData ?? []) if (e.key === "location") e.value = "weights.bin";
      });
    });
    expect(named.codes).toEqual(["client/data-name"]);
    expect((await check((path) => truncateSync(path("onnx/model.onnx_data"), 5000))).codes).toEqual([
      "client/truncated-data",
    ]);
    expect((await check((path) => rmSync(path("onnx/model.onnx_data")))).codes).toEqual(["client/missing-file"]);
  });

  test("a config that lies about layers, heads or type", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    const lies = await codesOf(folder, "transformers.js", (path) =>
      edit(path("config.json"), (c) => Object.assign(c, { num_hidden_layers: 3, num_key_value_heads: 4 })),
    );
    expect(lies.codes).toEqual(["client/layers", "client/layers"]);
    expect(lies.err).toContain("num_hidden_layers in config.json says 3, and the model has 2 layers with a cache");
    const genai = await codesOf(folder, "genai", (path) =>
      edit(path("genai_config.json"), (c) => (c["model"]["decoder"]["num_hidden_layers"] = 30)),
    );
    expect(genai.codes).toEqual(["client/layers"]);
    const type = await codesOf(folder, "transformers.js", (path) =>
      edit(path("config.json"), (c) => (c["model_type"] = "openai-gpt")),
    );
    expect(type.codes).toEqual(["client/unknown-type"]);
  });

  test("an unknown key, with the nearest, and a value of another kind", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    const said = await codesOf(folder, "genai", (path) =>
      edit(path("genai_config.json"), (c) => {
        c["model"]["decoder"]["hiden_size"] = 48;
        c["search"]["max_length"] = "64";
      }),
    );
    expect(said.codes).toEqual(["client/unknown-key", "client/wrong-value"]);
  });

  test("an input that nobody feeds, and a state without its present", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    const said = await codesOf(folder, "genai", (path) =>
      editModel(path("onnx/model.onnx"), (graph) => {
        graph.input!.find((i) => i.name === "position_ids")!.name = "prefix";
        graph.output = graph.output!.filter((o) => o.name !== "present.1.value");
      }),
    );
    expect(said.codes).toEqual(["client/input", "client/state"]);
  });

  test("no tokenizer, no config, a page of text for a model", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    const gone = (name: string) => codesOf(folder, "transformers.js", (path) => rmSync(path(name)));
    expect(await gone("tokenizer.json")).toMatchObject({ codes: ["client/missing-file"], status: 1 });
    expect((await gone("config.json")).codes).toEqual(["client/missing-file"]);
    expect((await gone("onnx/model.onnx")).codes).toEqual(["client/missing-file"]);
    const page = await codesOf(folder, "genai", (path) =>
      writeFileSync(path("onnx/model.onnx"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    );
    expect(page.codes).toEqual(["client/model-file"]);
    const broken = await codesOf(folder, "genai", (path) => writeFileSync(path("genai_config.json"), '{ "model": '));
    expect(broken.codes).toEqual(["client/config"]);
  });

  test("its own folders: an older version, a model of other bytes, no tokenizer", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    const older = await codesOf(folder, "tfm", (path) => edit(path("tfm.json"), (r) => (r["version"] = 0)));
    expect(older.codes).toEqual(["artifact/version"]);
    const cut = await codesOf(folder, "tfm", (path) => truncateSync(path("onnx/model.onnx_data"), 5000));
    expect(cut.codes).toEqual(["artifact/file-size"]);
    const bare = await codesOf(folder, "tfm", (path) => rmSync(path("tokenizer.json")));
    expect(bare.codes).toEqual(["artifact/missing-file"]);
  });

  test("nothing in a folder makes the check fail itself", () => {
    const odd: FolderView = {
      size: () => 10,
      json: () => ({ value: { model: [1], model_type: { deep: null }, "transformers.js_config": 7 } }),
      model: () => ({ value: { inputs: [], outputs: [], data: [{ file: "", end: Infinity }] } }),
    };
    for (const name of clientNames()) {
      const client = readClient(name);
      if (!client.record) expect(checkFolder(odd, client).some((d) => d.severity === "error")).toBe(true);
    }
  });
});
