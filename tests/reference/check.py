"""usage: check.py OUT [NAME...]: compiles tests/checkpoints/* into OUT for both targets, checks and runs them; see run.sh."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

import onnx
import onnxruntime

from cases import Tally, run_cases
from encoder_decoder import run_pair_cases

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINTS = os.path.join(HERE, "..", "checkpoints")
TARGETS = ("onnx", "onnx-17")


def main(out, names):
    folders = {n: (os.path.join(CHECKPOINTS, n),) * 2 for n in sorted(os.listdir(CHECKPOINTS)) if os.path.exists(os.path.join(CHECKPOINTS, n, "config.json"))}
    # Published ones, where they have been fetched.
    folders |= {n: (f, os.path.join(HERE, n)) for n in ("minilm", "smollm2") if (f := os.environ.get(f"TFM_{n.upper()}"))}
    chosen = {n: f for n, f in folders.items() if not names or n in names}
    if not chosen:
        sys.exit(f"no such checkpoint; there are {', '.join(folders)}")
    passed = failed = 0
    skipped = {}
    print(f"{'checkpoint':32} {'target':8} {'checker':8} {'cases':>5} {'largest error':>14}  seconds", flush=True)
    for name, (folder, reference) in chosen.items():
        for target in TARGETS:
            failures, cases, worst, seconds = one(folder, reference, target, os.path.join(out, name, target), skipped)
            checker = "fails" if any(f.startswith("checker") for f in failures) else "accepts"
            print(f"{name:32} {target:8} {checker:8} {cases:5} {worst:14.1e}  {seconds:7.2f}", flush=True)
            for f in failures:
                print(f"    {f}", flush=True)
            passed, failed = passed + (not failures), failed + bool(failures)
    for name, count in sorted(skipped.items()):
        print(f"not compared, because the models do not put it out: {name} ({count} tensors)")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def one(folder, reference, target, out, skipped):
    os.makedirs(os.path.dirname(out), exist_ok=True)
    start = time.monotonic()
    done = subprocess.run(["npx", "tfm", "compile", folder, "-o", out, "-t", target], capture_output=True, text=True)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        return [f"tfm compile: {line}" for line in done.stderr.splitlines()[:6]] or [f"tfm compile: status {done.returncode}"], 0, 0, seconds
    # An encoder-decoder is two models.
    models = [m for m in ("model.onnx", "encoder_model.onnx", "decoder_model_merged.onnx") if os.path.exists(os.path.join(out, m))]
    failures = []
    try:
        # onnx's checker refuses weights that have several hard links; ours are links to the checkpoint's files. It gets a copy.
        with tempfile.TemporaryDirectory(dir=os.path.dirname(out)) as copy:
            shutil.copytree(out, copy, dirs_exist_ok=True)
            for model in models:
                onnx.checker.check_model(os.path.join(copy, model), full_check=True)
    except Exception as e:
        failures.append(f"checker: {str(e).splitlines()[0][:200]}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        sessions = [onnxruntime.InferenceSession(os.path.join(out, m), options, providers=["CPUExecutionProvider"]) for m in models]
    except Exception as e:
        return [*failures, f"ONNX Runtime: {str(e).splitlines()[0][:300]}"], 0, 0, seconds
    tally = (run_pair_cases if len(sessions) == 2 else run_cases)(reference, *sessions, Tally())
    for k, v in tally.skipped.items():
        skipped[k] = skipped.get(k, 0) + v
    if tally.cases == 0:
        failures.append("no case was run")
    return failures + tally.failures, tally.cases, tally.worst, seconds


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
