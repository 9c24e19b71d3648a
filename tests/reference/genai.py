"""usage: genai.py OUT [NAME...]: the released onnxruntime-genai opens folders made for it and generates the reference's tokens; see run.sh.

Each checkpoint that generates and whose model the client runs is compiled twice: with a past in and a present out (one folder for
this client and transformers.js), and with a cache in one buffer. A checkpoint of one's own: TFM_SMOLLM2=FOLDER:REFERENCE.
"""
import json
import os
import subprocess
import sys

import onnxruntime_genai as og
from safetensors.numpy import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINTS = os.path.join(HERE, "..", "checkpoints")
FORMS = {"whole": ["--for", "genai,transformers.js"], "shared": ["--for", "genai", "--cache", "shared"]}
# What the client says no to: the family's file names no type, or the model wants inputs that it does not feed.
SKIPPED = {"glm", "t5", "t5-v1_1", "seq2seq"}


def main(out, names):
    folders = {n: (os.path.join(CHECKPOINTS, n),) * 2 for n in sorted(os.listdir(CHECKPOINTS)) if n not in SKIPPED and generates(n)}
    if os.environ.get("TFM_SMOLLM2"):
        folders["smollm2"] = tuple(os.environ["TFM_SMOLLM2"].split(":"))
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
    prompt = stored["generate.input.input_ids"][0].tolist()
    wanted = stored["generate.output.sequences"][0].tolist()
    try:
        model = og.Model(out)
        params = og.GeneratorParams(model)
        params.set_search_options(do_sample=False, min_length=len(wanted), max_length=len(wanted))
        generator = og.Generator(model, params)
        generator.append_tokens(prompt)
        while not generator.is_done():
            generator.generate_next_token()
        found = [int(t) for t in generator.get_sequence(0)]
    except Exception as e:
        return f"the client: {e}"
    return None if found == wanted else f"generates {found[len(prompt):]}, not {wanted[len(prompt):]}"


main(sys.argv[1], sys.argv[2:])
