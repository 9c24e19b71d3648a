/** @file Checkpoints of any size that take no disk: a header, and a hole where the numbers would be (they read as zeros). */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const SHAPE = { hidden: 4096, intermediate: 14_336, heads: 32, kvHeads: 8, vocab: 32_000 };
const BYTES = { BF16: 2, F16: 2, F32: 4 };

/** Writes a folder with config.json and model.safetensors; gives its size in bytes. */
export function writeCheckpoint(folder, dtype, layers) {
  const { hidden, intermediate, heads, kvHeads, vocab } = SHAPE;
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({
      architectures: ["LlamaForCausalLM"],
      model_type: "llama",
      hidden_act: "silu",
      hidden_size: hidden,
      intermediate_size: intermediate,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      num_hidden_layers: layers,
      vocab_size: vocab,
      rms_norm_eps: 1e-5,
      rope_theta: 500_000,
      max_position_embeddings: 8192,
      tie_word_embeddings: false,
    }),
  );
  const kv = (hidden / heads) * kvHeads;
  const tensors = [
    ["model.embed_tokens.weight", [vocab, hidden]],
    ["model.norm.weight", [hidden]],
    ["lm_head.weight", [vocab, hidden]],
  ];
  for (let i = 0; i < layers; i++) {
    const add = (name, shape) => tensors.push([`model.layers.${i}.${name}.weight`, shape]);
    add("input_layernorm", [hidden]);
    add("post_attention_layernorm", [hidden]);
    add("self_attn.q_proj", [hidden, hidden]);
    add("self_attn.k_proj", [kv, hidden]);
    add("self_attn.v_proj", [kv, hidden]);
    add("self_attn.o_proj", [hidden, hidden]);
    add("mlp.gate_proj", [intermediate, hidden]);
    add("mlp.up_proj", [intermediate, hidden]);
    add("mlp.down_proj", [hidden, intermediate]);
  }
  let end = 0;
  const header = {};
  for (const [name, shape] of tensors) {
    const bytes = shape.reduce((n, d) => n * d, BYTES[dtype]);
    header[name] = { dtype, shape, data_offsets: [end, (end += bytes)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(join(folder, "model.safetensors"), "w");
  writeSync(file, Buffer.concat([length, text]));
  ftruncateSync(file, 8 + text.length + end);
  closeSync(file);
  return 8 + text.length + end;
}
