"""usage: genai.py OUT [NAME...]: the released onnxruntime-genai opens folders made for it and generates the reference's tokens; see run.sh.

Each checkpoint that generates and whose model the client runs is compiled three times: with a past in and a present out (one folder for
this client and transformers.js, which opens the same one in transformers.mjs), the same in float16, and with a cache in one buffer. A published one: TFM_SMOLLM2=FOLDER.
"""
import json
import os
import subprocess
import sys

import numpy as np
import onnxruntime_genai as og
from safetensors.numpy import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINTS = os.path.join(HERE, "..", "checkpoints")
FORMS = {
    "whole": ["--for", "genai,transformers.js"],
    "half": ["--for", "genai,transformers.js", "--dtype", "float16"],
    "shared": ["--for", "genai", "--cache", "shared"],
}
# What the client says no to: the family's file names no type, or the model wants inputs that it does not feed.
SKIPPED = {"glm", "t5", "t5-v1_1", "seq2seq"}


def main(out, names):
    folders = {n: (os.path.join(CHECKPOINTS, n),) * 2 for n in sorted(os.listdir(CHECKPOINTS)) if n not in SKIPPED and generates(n)}
    if os.environ.get("TFM_SMOLLM2"):
        folders["smollm2"] = (os.environ["TFM_SMOLLM2"], os.path.join(HERE, "smollm2"))
    failed = 0
    print(f"onnxruntime-genai {og.__version__}")
    for name, (folder, reference) in folders.items():
        if names and name not in names:
            continue
        for form, options in FORMS.items():
            said = one(folder, reference, os.path.join(out, f"genai-{form}", name), options)
            print(f"{name:24} {form:8} {said or 'the reference tokens'}", flush=True)
            failed += bool(said)
    sys.exit(1 if failed else 0)


def generates(name):
    path = os.path.join(CHECKPOINTS, name, "reference.json")
    return os.path.exists(path) and "generate" in json.load(open(path))["cases"]


def one(folder, reference, out, options):
    os.makedirs(os.path.dirname(out), exist_ok=True)
    # The runtime inside the client refuses weights that are hard links.
    made = subprocess.run(["npx", "tfm", "compile", folder, "-o", out, "--copy", *options], capture_output=True, text=True)
    if made.returncode != 0:
        return f"tfm compile: {made.stderr.splitlines()[0]}"
    stored = load_file(os.path.join(reference, "reference.safetensors"))
    try:
        model = og.Model(out)
        for case in sorted(k.split(".")[0] for k in stored if k.endswith(".output.sequences")):
            prompt = stored[f"{case}.input.input_ids"][0].tolist()
            wanted = stored[f"{case}.output.sequences"][0].tolist()
            (found,) = generated(model, [prompt], len(wanted))
            if found != wanted:
                return f"{case}: generates {found[len(prompt):]}, not {wanted[len(prompt):]}"
        return together(model, out, prompt)
    except Exception as e:
        return f"the client: {e}"


def together(model, out, prompt):
    """Rows of different lengths, padded on the right as the client does it, say what each says alone; so do beams, which are reordered."""
    pad = json.load(open(os.path.join(out, "genai_config.json")))["model"].get("pad_token_id")
    if pad is None or pad in prompt:
        return None
    short = prompt[: max(1, len(prompt) - 2)]
    length = len(prompt) + 8
    (alone,) = generated(model, [short], length)
    rows = generated(model, [prompt, short + [pad] * (len(prompt) - len(short))], length)
    found = rows[1][len(prompt):]
    if found != alone[len(short):][: len(found)]:
        return f"beside another row: generates {found}, not {alone[len(short):]}"
    generated(model, [prompt], length, num_beams=2)
    return None


def generated(model, prompts, length, **options):
    params = og.GeneratorParams(model)
    params.set_search_options(do_sample=False, min_length=length, max_length=length, batch_size=len(prompts), **options)
    generator = og.Generator(model, params)
    generator.append_tokens(np.array(prompts, np.int32))
    while not generator.is_done():
        generator.generate_next_token()
    return [[int(t) for t in generator.get_sequence(i)] for i in range(len(prompts))]


main(sys.argv[1], sys.argv[2:])
