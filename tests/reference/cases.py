"""Runs the stored cases of a checkpoint folder in a session and compares what comes out with what is stored."""
import json

import numpy as np
from safetensors.numpy import load_file

from feeds import feed

TOLERANCE = 1e-4  # absolute, relative to the largest value where that exceeds 1
KINDS = ("forward", "decode", "generate", "complete")  # the others are about training


class Tally:
    def __init__(self):
        self.cases, self.worst, self.failures, self.skipped = 0, 0.0, [], {}

    def compare(self, case, name, found, wanted, mask=None):
        if found is None:
            self.failures.append(f"{case}: no output {name}")
            return
        if found.shape != wanted.shape:
            self.failures.append(f"{case} {name}: shape {list(found.shape)}, stored {list(wanted.shape)}")
            return
        keep = real_places(wanted, mask)
        difference = np.abs(found.astype(np.float64) - wanted)[keep]
        scale = max(1.0, float(np.abs(wanted[keep]).max(initial=0)))
        error = float(difference.max(initial=0)) / scale
        if not error <= TOLERANCE:  # also of NaN
            self.failures.append(f"{case} {name}: off by {error:.1e}")
        self.worst = max(self.worst, error if error == error else np.inf)

    def skip(self, name):
        key = "hidden_states" if name.startswith("hidden_states.") else name
        self.skipped[key] = self.skipped.get(key, 0) + 1


def real_places(array, mask):
    """Padded places hold whatever the reference left there."""
    keep = np.ones(array.shape, bool)
    if mask is None:
        return keep
    if array.shape[: mask.ndim] == mask.shape:  # [batch, seq, ...]
        keep[mask == 0] = False
    elif array.ndim == 4 and array.shape[0] == mask.shape[0] and array.shape[2] == mask.shape[1]:  # a cache: [batch, heads, seq, head_dim]
        keep = keep & (mask[:, None, :, None] != 0)
    return keep


def read_cases(folder):
    """`folder` holds reference.json and reference.safetensors. Name, kind, options, inputs and outputs of each case."""
    stored = load_file(f"{folder}/reference.safetensors")
    for name, case in json.load(open(f"{folder}/reference.json"))["cases"].items():
        inputs = {k: stored[f"{name}.input.{k}"] for k in case["inputs"]}
        outputs = {k: stored[f"{name}.output.{k}"] for k in case["outputs"]}
        yield name, case.get("kind", "forward"), case.get("options", {}), inputs, outputs


def run_cases(folder, session, tally):
    for name, kind, options, inputs, outputs in read_cases(folder):
        if kind not in KINDS:
            continue
        try:
            RUNNERS[kind](session, name, options, inputs, outputs, tally)
            tally.cases += 1
        except Exception as e:  # the runtime's own words are what helps
            tally.failures.append(f"{name}: {str(e).splitlines()[0][:200]}")
    return tally


def run(session, given, past=None):
    names = [o.name for o in session.get_outputs()]
    found = dict(zip(names, session.run(names, feed(session, given, past))))
    return found, {k: v for k, v in found.items() if k.startswith("present.")}


def forward(session, name, options, inputs, outputs, tally):
    found, _ = run(session, inputs)
    mask = inputs.get("attention_mask")
    if "last_hidden_state" in found and "embeddings" in outputs:
        found["embeddings"] = sentence_embeddings(found["last_hidden_state"], mask)
    for k, wanted in outputs.items():
        if (k.startswith("hidden_states.") or k == "attention_mask") and k not in found:
            tally.skip(k)
        else:
            tally.compare(name, k, found.get(k), wanted, mask)


def sentence_embeddings(states, mask):
    mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def columns(inputs, start, end):
    """The inputs of a step: its tokens and positions, and the mask from the beginning on. What has no places is passed whole."""
    return {k: v if v.ndim < 2 else v[:, :end] if k == "attention_mask" else v[:, start:end] for k, v in inputs.items()}


def following(name, array):
    """An input of the next step: a new token keeps its span's place and counts the place in the block up."""
    return array if array.ndim < 2 else array[:, -1:] + (name == "block_position_ids")


def decode(session, name, options, inputs, outputs, tally):
    n, total = options["prefill"], inputs["input_ids"].shape[1]
    found, past = run(session, columns(inputs, 0, n))
    mask = inputs.get("attention_mask")
    before = None if mask is None else mask[:, :n]
    for k, wanted in outputs.items():
        if k.startswith("past."):
            tally.compare(name, k, found.get("present" + k[len("past"):]), wanted, before)
    tally.compare(name, "prefill.logits", found.get("logits"), outputs["prefill.logits"], before)
    for i in range(n, total):
        found, past = run(session, columns(inputs, i, i + 1), past)
        tally.compare(name, f"step{i - n}.logits", found.get("logits"), outputs[f"step{i - n}.logits"])


def generate(session, name, options, inputs, outputs, tally):
    sequence, given, past, logits = inputs["input_ids"], inputs["input_ids"], None, []
    others = {k: v for k, v in inputs.items() if k != "input_ids"}
    for _ in range(options["new_tokens"]):
        found, past = run(session, {"input_ids": given, **others}, past)
        others = {k: following(k, v) for k, v in others.items()}
        logits.append(found["logits"][:, -1])
        given = logits[-1].argmax(-1)[:, None]
        sequence = np.concatenate([sequence, given], 1)
    if not np.array_equal(sequence, outputs["sequences"]):
        tally.failures.append(f"{name}: another text, {sequence.tolist()}")
    tally.compare(name, "logits", np.stack(logits, 1), outputs["logits"])


def complete(session, name, options, inputs, outputs, tally):
    """Of a model with a large vocabulary, the highest scores after the prompt are stored, and the greedy tokens."""
    sequence, found, past = inputs["input_ids"], None, None
    for i in range(options["new_tokens"]):
        found, past = run(session, {"input_ids": sequence if past is None else sequence[:, -1:]}, past)
        if i == 0:
            tally.compare(name, "top_logits", found["logits"][0, -1][outputs["top_ids"]], outputs["top_logits"])
        sequence = np.concatenate([sequence, found["logits"][:, -1].argmax(-1)[:, None]], 1)
    if not np.array_equal(sequence, outputs["sequences"]):
        tally.failures.append(f"{name}: another text, {sequence.tolist()}")


RUNNERS = {"forward": forward, "decode": decode, "generate": generate, "complete": complete}
