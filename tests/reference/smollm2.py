"""usage: smollm2.py FILE.gguf FOLDER: a Llama that is stored as GGUF becomes a folder as published ones are, in float32; see fetch-smollm2.sh."""
import json
import os
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

# GGUF's names, and those of published folders (llama.cpp, gguf-py/gguf/tensor_mapping.py).
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
OF_LAYER = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3  # a token that no text has


def main(file, folder):
    reader = GGUFReader(file)
    said = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    os.makedirs(folder)
    config = config_of(said)
    save_file(dict(weights(reader, config)), f"{folder}/model.safetensors", metadata={"format": "pt"})
    tokenizer_of(said).save(f"{folder}/tokenizer.json")
    ends = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    words = {key.removesuffix("_id"): said["tokenizer.ggml.tokens"][token] for key, token in ends.items()}
    write(f"{folder}/config.json", config)
    write(f"{folder}/generation_config.json", ends)
    write(f"{folder}/tokenizer_config.json", {
        **words, "tokenizer_class": "GPT2Tokenizer", "model_max_length": config["max_position_embeddings"], "chat_template": said["tokenizer.chat_template"],
    })


def config_of(said):
    def of(key):
        return said[f"llama.{key}"]

    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": of("vocab_size"),
        "hidden_size": of("embedding_length"), "intermediate_size": of("feed_forward_length"), "num_hidden_layers": of("block_count"),
        "num_attention_heads": of("attention.head_count"), "num_key_value_heads": of("attention.head_count_kv"),
        "max_position_embeddings": of("context_length"), "rope_theta": of("rope.freq_base"),
        # Stored as float32: its shortest decimal is what was meant.
        "rms_norm_eps": float(str(np.float32(of("attention.layer_norm_rms_epsilon")))), "tie_word_embeddings": True,
        "bos_token_id": said["tokenizer.ggml.bos_token_id"], "eos_token_id": said["tokenizer.ggml.eos_token_id"],
        "pad_token_id": said["tokenizer.ggml.padding_token_id"], "torch_dtype": "float32",
    }


def weights(reader, config):
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for tensor in reader.tensors:
        value = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        *layer, kind = tensor.name.removesuffix(".weight").removeprefix("blk.").split(".")
        if kind in heads:
            # A head's rows are those of pairs that are turned together, [pairs, 2]; published folders have first halves, then second ones.
            value = value.reshape(heads[kind], -1, 2, value.shape[-1]).swapaxes(1, 2).reshape(value.shape)
        name = f"model.layers.{layer[0]}.{OF_LAYER[kind]}" if layer else OUTER[kind]
        yield f"{name}.weight", np.ascontiguousarray(value)


def tokenizer_of(said):
    tokens = said["tokenizer.ggml.tokens"]
    merges = [tuple(m.split(" ")) for m in said["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    # What `tokenizer.ggml.pre` = smollm means: each digit alone, then the words of GPT-2.
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    kinds = said["tokenizer.ggml.token_type"]
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, kind in zip(tokens, kinds) if kind == CONTROL])
    return made


def write(path, value):
    with open(path, "w") as file:
        file.write(json.dumps(value, indent=2) + "\n")


main(*sys.argv[1:])
