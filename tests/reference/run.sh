#!/usr/bin/env bash
# Compiles every checkpoint of tests/checkpoints for both targets and holds the models against the reference implementation's numbers,
# in ONNX Runtime for Python, after the official checker with full shape inference.
#
#   npm run test:reference [-- NAME...]       only these checkpoints
#   TFM_MINILM=FOLDER TFM_SMOLLM2=FOLDER npm run test:reference
#                                             published ones as well: see fetch-minilm.sh, fetch-smollm2.sh
#
# Then the released clients open folders that are made for them: onnxruntime-genai in Python, transformers.js in Node and, where there is
# one, in headless Chromium; so does the package's own client, and `tfm generate` is timed. All parts run; the exit status is 1 where one of
# them fails.
#
# Needs python3 with pip. The Python packages go to TFM_VENV, outside of the repository (default: ~/.cache/tfm-reference), transformers.js to
# TFM_CLIENTS (~/.cache/tfm-clients).
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=${TFM_VENV:-$HOME/.cache/tfm-reference}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
if ! cmp -s tests/reference/requirements.txt "$venv/requirements.txt"; then
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/reference/requirements.txt
  cp tests/reference/requirements.txt "$venv/requirements.txt"
fi
clients=${TFM_CLIENTS:-$HOME/.cache/tfm-clients}
if [ ! -d "$clients/node_modules/@huggingface/transformers" ]; then
  mkdir -p "$clients"
  echo '{ "private": true, "dependencies": { "@huggingface/transformers": "4.3.1" } }' >"$clients/package.json"
  # The processor's binary is in the package; the download would be CUDA's.
  (cd "$clients" && ONNXRUNTIME_NODE_INSTALL=skip ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm install --silent --no-audit --no-fund)
fi
npm run --silent build

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export TFM_CLIENTS="$clients"
failed=
part() { # title, command...
  echo "== $1"
  local start=$SECONDS
  "${@:2}" || failed="$failed${failed:+, }$1"
  echo "== $1: $((SECONDS - start)) s"
}
part "stored numbers" "$venv/bin/python" tests/reference/check.py "$out" "$@"
part "onnxruntime-genai" "$venv/bin/python" tests/reference/genai.py "$out" "$@"
part "transformers.js" node tests/reference/transformers.mjs "$out/transformers" "$@"
part "its pipelines" node tests/reference/pipelines.mjs "$out/transformers" "$@"
if [ $# -eq 0 ]; then
  part "tfm-lang/node" node tests/reference/own.mjs "$out/own"
  part "transformers.js in a browser" node tests/reference/browser.mjs "$out/transformers"
  part "speed" node tests/reference/speed.mjs "$out/speed"
fi
[ -z "$failed" ] || { echo "failed: $failed"; exit 1; }
echo "all of it holds, after $SECONDS s"
