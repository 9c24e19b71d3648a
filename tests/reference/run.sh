#!/usr/bin/env bash
# Compiles every checkpoint of tests/checkpoints for both targets and holds the models against the reference implementation's numbers,
# in ONNX Runtime for Python, after the official checker with full shape inference.
#
#   npm run test:reference [-- NAME...]       only these checkpoints
#   TFM_MINILM=FOLDER npm run test:reference  a published one as well: see fetch-minilm.sh
#
# Then the released clients open folders that are made for them: onnxruntime-genai in Python, transformers.js in Node and, where there is
# one, in headless Chromium.
#
#   TFM_SMOLLM2=FOLDER:REFERENCE npm run test:reference   a published language model as well: a checkpoint, and its reference numbers
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
npm run --silent build

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$venv/bin/python" tests/reference/check.py "$out" "$@"

# The real clients, on folders that are made for them.
clients=${TFM_CLIENTS:-$HOME/.cache/tfm-clients}
if [ ! -d "$clients/node_modules/@huggingface/transformers" ]; then
  mkdir -p "$clients"
  echo '{ "private": true, "dependencies": { "@huggingface/transformers": "4.3.1" } }' >"$clients/package.json"
  # The processor's binary is in the package; the download would be CUDA's.
  (cd "$clients" && ONNXRUNTIME_NODE_INSTALL=skip ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm install --silent --no-audit --no-fund)
fi
"$venv/bin/python" tests/reference/genai.py "$out" "$@"
TFM_CLIENTS="$clients" node tests/reference/transformers.mjs "$out/transformers" "$@"
[ $# -gt 0 ] || TFM_CLIENTS="$clients" node tests/reference/browser.mjs "$out/transformers"
[ $# -gt 0 ] || node tests/reference/speed.mjs "$out/speed"
