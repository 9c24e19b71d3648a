#!/usr/bin/env bash
# Compiles every checkpoint of tests/checkpoints for both targets and holds the models against the reference implementation's numbers,
# in ONNX Runtime for Python, after the official checker with full shape inference.
#
#   npm run test:reference [-- NAME...]       only these checkpoints
#   TFM_MINILM=FOLDER npm run test:reference  a published one as well: see fetch-minilm.sh
#
# Needs python3 with pip. The Python packages go to TFM_VENV, outside of the repository (default: ~/.cache/tfm-reference).
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
