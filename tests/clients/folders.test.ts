/** `tfm compile --for` and `tfm check --for`: folders that clients open, and each trap of folders that they would not. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
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
    // The client looks for a session's data under that session's own name (its getExternalDataChunkNames): two models cannot share a file.
    // Here both names are hard links to the checkpoint's.
    expect(json(folder, "config.json")["transformers.js_config"]["use_external_data_format"]).toEqual({
      "encoder_model.onnx": 1,
      "decoder_model_merged.onnx": 1,
    });
    const [first, second] = ["encoder_model.onnx_data", "decoder_model_merged.onnx_data"].map((file) =>
      statSync(at(folder, "onnx", file)),
    );
    expect(first!.size).toBe(second!.size);
    // Between file systems there are no links.
    if (statSync(CHECKPOINTS).dev === first!.dev) expect(first!.ino).toBe(second!.ino);
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

  test("an input that the client does not feed and that has a default is none of the model's", async () => {
    const folder = await compiled("gpt2-sequence-classification", "transformers.js");
    expect(json(folder, "config.json")).toMatchObject({ model_type: "bert", id2label: { 0: "LABEL_0" } });
    const { inputs } = json(folder, "tfm.json") as { inputs: { name: string }[] };
    expect(inputs.map((i) => i.name)).toEqual(["input_ids", "attention_mask"]);
    // The numbers are the same as with the input, left out.
    const plain = await tfm("compile", join(CHECKPOINTS, "gpt2-sequence-classification"), "-o", at("plain"));
    expect(plain, plain.err).toMatchObject({ status: 0 });
    const ask = async (name: string): Promise<unknown> => {
      const ran = await tfm("run", at(name), "--input", "input_ids=[[7,8,9,10],[5,6,0,0]]", "--json");
      return (JSON.parse(ran.out) as { outputs: unknown }).outputs;
    };
    expect(await ask(folder)).toEqual(await ask("plain"));
    const encoder = await compiled("t5-encoder", "transformers.js");
    expect(json(encoder, "config.json")["model_type"]).toBe("bert");
  });

  test("a type that the client has for other models only is no type, and the hint says what to write", async () => {
    writeFileSync(
      at("odd.tfm"),
      `model odd(vocab = 8, hidden = 4) {
  input tokens as "input_ids": int[batch as "batch_size", seq as "sequence_length"]
  output last_hidden_state = tokens -> words: embed(vocab)
}
checkpoint for odd when config.model_type == "odd" {
  vocab = config.vocab_size; hidden = config.hidden_size; words.weight = "words"
}
`,
    );
    mkdirSync(at("odd"));
    writeFileSync(at("odd/config.json"), JSON.stringify({ model_type: "odd", vocab_size: 8, hidden_size: 4 }));
    const header = JSON.stringify({ words: { dtype: "F32", shape: [8, 4], data_offsets: [0, 128] } }).padEnd(88);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(at("odd/model.safetensors"), Buffer.concat([length, Buffer.from(header), Buffer.alloc(128)]));
    const said = await tfm(
      "compile",
      at("odd"),
      "--use",
      at("odd.tfm"),
      "-o",
      at("unused"),
      "--for",
      "transformers.js",
    );
    expect(said.status).toBe(1);
    expect(said.err).toContain("transformers.js has no type odd for models that are run once");
    expect(said.err).toContain('client "transformers.js" => "bert"');
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
    ["gpt1-double-heads", "transformers.js", "client/input", "tfm run"],
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
      edit(path("genai_config.json"), (c) => {
        c["model"]["decoder"]["num_hidden_layers"] = 30;
        c["model"]["vocab_size"] = 128;
      }),
    );
    expect(genai.codes).toEqual(["client/layers", "client/layers"]);
    expect(genai.err).toContain("vocab_size in genai_config.json says 128, and the model has 96 tokens with a score");
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

  test("a tokenizer that is none, or another model's; texts beside it that are no JSON", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    for (const client of ["transformers.js", "genai", "tfm"]) {
      const empty = await codesOf(folder, client, (path) => writeFileSync(path("tokenizer.json"), ""));
      expect(empty.codes, client).toEqual(["client/config"]);
      expect(empty.err).toContain("tokenizer.json cannot be used");
      const odd = await codesOf(folder, client, (path) => writeFileSync(path("tokenizer.json"), '{ "model": {} }'));
      expect(odd.err).toContain("there is no vocabulary in it");
      const cut = await codesOf(folder, client, (path) => writeFileSync(path("tokenizer_config.json"), "{"));
      expect(cut.codes, client).toEqual(["client/config"]);
      const large = await codesOf(folder, client, (path) =>
        cpSync(join(CHECKPOINTS, "kjv", "tokenizer.json"), path("tokenizer.json")),
      );
      expect(large, client).toMatchObject({ codes: ["client/vocabulary"], status: 0 });
      expect(large.err).toContain("it has tokens up to 1023, and the model those up to 95");
    }
    const kjv = await compiled("kjv", "genai,transformers.js");
    const small = await codesOf(kjv, "genai", (path) =>
      cpSync(join(CHECKPOINTS, "llama3", "tokenizer.json"), path("tokenizer.json")),
    );
    expect(small.err).toMatch(/it has \d\d tokens, and the model 1024/);
    for (const client of ["transformers.js", "tfm"]) {
      const broken = await codesOf(folder, client, (path) => writeFileSync(path("generation_config.json"), "<html>"));
      expect(broken.codes, client).toEqual(["client/config"]);
    }
  });

  test("a model under the name of another type of numbers, and a config that names another type", async () => {
    const folder = await compiled("llama3", "genai,transformers.js");
    for (const change of [
      (path: (name: string) => string) => renameSync(path("onnx/model.onnx"), path("onnx/model_fp16.onnx")),
      (path: (name: string) => string) =>
        edit(path("config.json"), (c) => (c["transformers.js_config"]["dtype"] = "fp16")),
    ])
      expect((await codesOf(folder, "transformers.js", change)).codes).toEqual(["client/missing-file"]);
    renameSync(at(folder, "onnx/model.onnx"), at(folder, "onnx/model_fp16.onnx"));
    const said = await tfm("check", at(folder), "--for", "transformers.js,tfm");
    renameSync(at(folder, "onnx/model_fp16.onnx"), at(folder, "onnx/model.onnx"));
    expect(said.err).toContain('config.json says dtype "fp32", and onnx/model_fp16.onnx is there');
    expect(said.err).toContain("onnx/model_fp16.onnx is as long: call it onnx/model.onnx again if it was renamed");
  });

  test("a folder that is not there, or is a file; one for TensorFlow.js", async () => {
    writeFileSync(at("file"), "");
    for (const [name, reason] of [
      ["none", "it does not exist"],
      ["file", "it is a file"],
    ] as const)
      expect((await tfm("check", at(name), "--for", "genai")).err).toContain(reason);
    const made = await tfm("compile", join(CHECKPOINTS, "llama3"), "-o", at("tfjs"), "-t", "tfjs");
    expect(made, made.err).toMatchObject({ status: 0 });
    expect(await tfm("check", at("tfjs"), "--for", "tfm")).toMatchObject({ status: 0, err: "" });
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

test("genai is told of the provider that the model was compiled for", async () => {
  const options = ["--provider", "cuda", "--dtype", "float16", "--cache", "shared"];
  const said = await tfm("compile", join(CHECKPOINTS, "llama3"), "-o", at("for-cuda"), "--for", "genai", ...options);
  expect(said, said.err).toMatchObject({ status: 0, err: "" });
  const providers = (folder: string): unknown =>
    json(folder, "genai_config.json")["model"]["decoder"]["session_options"]["provider_options"];
  expect(providers("for-cuda")).toEqual([{ cuda: {} }]);
  expect(providers(await compiled("llama3", "genai"))).toEqual([]);
  // Attention over a shared buffer is of halves there, and so are its buffers: CUDA has no other kernel.
  const { states } = json("for-cuda", "tfm.json") as { states: { dtype: string }[] };
  expect(new Set(states.map((s) => s.dtype))).toEqual(new Set(["float16"]));
});
