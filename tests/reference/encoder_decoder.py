"""The stored cases of encoder-decoders, through the two models that one is compiled into: the encoder once, the decoder whole or step by step."""
import json

import numpy as np

from cases import KINDS, read_cases
from feeds import TYPES, empty


def run_pair_cases(folder, encoder, decoder, tally):
    start = json.load(open(f"{folder}/config.json"))["decoder_start_token_id"]
    for name, kind, options, inputs, outputs in read_cases(folder):
        if kind not in KINDS:
            continue
        try:
            memory = remember(encoder, name, inputs, outputs, tally)
            RUNNERS[kind](decoder, memory, name, {**options, "start": start}, inputs, outputs, tally)
            tally.cases += 1
        except Exception as e:  # the runtime's own words are what helps
            tally.failures.append(f"{name}: {str(e).splitlines()[0][:200]}")
    return tally


def remember(encoder, name, inputs, outputs, tally):
    """What the decoder reads of the source: the memory, and which of its places there are."""
    ids = inputs["input_ids"]
    mask = inputs.get("attention_mask", np.ones_like(ids))
    (memory,) = encoder.run(["last_hidden_state"], {"input_ids": ids, "attention_mask": mask})
    if "encoder_last_hidden_state" in outputs:
        tally.compare(name, "encoder_last_hidden_state", memory, outputs["encoder_last_hidden_state"], mask)
    return {"encoder_hidden_states": memory, "encoder_attention_mask": mask}


def step(decoder, memory, ids, past=None):
    given = {"input_ids": ids, **memory}
    feed = {}
    for declared in decoder.get_inputs():
        name = declared.name
        if name.startswith("past_key_values."):
            value = empty(declared, ids.shape[0]) if past is None else past["present" + name[len("past_key_values"):]]
        else:
            value = given[name]
        feed[name] = np.ascontiguousarray(value, TYPES[declared.type])
    names = [o.name for o in decoder.get_outputs()]
    return dict(zip(names, decoder.run(names, feed)))


def forward(decoder, memory, name, options, inputs, outputs, tally):
    found = step(decoder, memory, inputs["decoder_input_ids"])
    for k, wanted in outputs.items():
        if "hidden_states." in k:
            tally.skip("hidden_states.")
        elif k != "encoder_last_hidden_state":
            tally.compare(name, k, found.get(k), wanted)


def decode(decoder, memory, name, options, inputs, outputs, tally):
    n, ids = options["prefill"], inputs["decoder_input_ids"]
    found = step(decoder, memory, ids[:, :n])
    tally.compare(name, "prefill.logits", found.get("logits"), outputs["prefill.logits"])
    for k, wanted in outputs.items():
        if k.startswith("past."):
            mask = memory["encoder_attention_mask"] if ".encoder." in k else None
            tally.compare(name, k, found.get("present" + k[len("past"):]), wanted, mask)
    for i in range(n, ids.shape[1]):
        found = step(decoder, memory, ids[:, i : i + 1], found)
        tally.compare(name, f"step{i - n}.logits", found.get("logits"), outputs[f"step{i - n}.logits"])


def generate(decoder, memory, name, options, inputs, outputs, tally):
    sequence, past, logits = np.array([[options["start"]]]), None, []
    for _ in range(options["new_tokens"]):
        past = step(decoder, memory, sequence[:, -1:], past)
        logits.append(past["logits"][:, -1])
        sequence = np.concatenate([sequence, logits[-1].argmax(-1)[:, None]], 1)
    if not np.array_equal(sequence, outputs["sequences"]):
        tally.failures.append(f"{name}: another text, {sequence.tolist()}")
    tally.compare(name, "logits", np.stack(logits, 1), outputs["logits"])


RUNNERS = {"forward": forward, "decode": decode, "generate": generate}
