#!/usr/bin/env bash
# Makes @tensorflow/tfjs-node (or tfjs-node-gpu) run without its own install script, which downloads from a host that firewalls block:
# libtensorflow and the C headers come from the PyPI wheel, the addon is compiled here.
#   setup.sh TARGET_DIR [cpu|gpu]
# Safe to run again: seconds when the cache is warm (e.g. after npm ci wiped node_modules).
set -euo pipefail
DIR=${1:?usage: setup.sh TARGET_DIR [cpu|gpu]}; KIND=${2:-cpu}
TFJS=${TFJS_VERSION:-4.22.0}; TF=${TF_VERSION:-2.21.0}; WPY=${TF_WHEEL_PYTHON:-3.11}; NAPI=1.9.0
CACHE=${TFJS_NODE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tfm-tfjs-node}; PYTHON=${PYTHON:-python3}
case $KIND in
  cpu) PKG=@tensorflow/tfjs-node; WHEEL=tensorflow-cpu ;;
  gpu) PKG=@tensorflow/tfjs-node-gpu; WHEEL=tensorflow ;;
  *) echo "second argument: cpu or gpu" >&2; exit 2 ;;
esac
[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || { echo "only Linux x86_64 was tried" >&2; exit 1; }
NPM="npm --no-audit --no-fund --loglevel=error"
log() { echo "setup: $*" >&2; }

# 1. the JavaScript, never its install script (it downloads)
mkdir -p "$DIR"; cd "$DIR"; [ -f package.json ] || echo '{"private":true}' > package.json
where() { node -p "require('path').dirname(require.resolve('$PKG/package.json',{paths:[process.cwd()]}))" 2>/dev/null || true; }
P=$(where)
if [ -z "$P" ] || [ "$(node -p "require('$P/package.json').version")" != "$TFJS" ]; then
  log "npm: $PKG@$TFJS"; $NPM install --ignore-scripts --save-exact "$PKG@$TFJS" >&2; P=$(where)
fi

# 2. libtensorflow + headers out of the wheel, into the cache (one folder per wheel and version)
L=$CACHE/$WHEEL-$TF; mkdir -p "$CACHE"
if [ ! -f "$L/lib/libtensorflow_cc.so.2" ]; then
  TMP=$(mktemp -d "$CACHE/tmp.XXXXXX"); trap 'rm -rf "$TMP"' EXIT
  PIPD=("$PYTHON" -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --implementation cp --python-version "$WPY")
  for p in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux1; do PIPD+=(--platform "${p}_x86_64"); done
  log "pip: $WHEEL==$TF"; "${PIPD[@]}" -d "$TMP/whl" "$WHEEL==$TF"
  cat > "$TMP/x.py" <<'PY'
import glob, os, re, shutil, sys, zipfile
whl, out, mode = sys.argv[1:4]
z = zipfile.ZipFile(whl)
if mode == 'reqs':  # what the and-cuda extra asks for
    m = next(n for n in z.namelist() if n.endswith('.dist-info/METADATA'))
    for l in z.read(m).decode().splitlines():
        if l.startswith('Requires-Dist: nvidia-') and 'and-cuda' in l: print(re.sub(r'\s', '', l[15:].split(';')[0]))
    sys.exit()
for n in z.namelist():
    if mode == 'tf':
        m = re.match(r'tensorflow/(lib)(tensorflow_(?:cc|framework)\.so\.2)$', n)
        to = 'lib/lib' + m.group(2) if m else None
        if not m and n.endswith('.h') and re.match(r'tensorflow/include/(tensorflow/c/|tensorflow/core/platform/ctstring|tsl/platform/ctstring|tsl/c/|xla/tsl/c/)', n): to = n[len('tensorflow/'):]
    else: to = n if re.match(r'nvidia/[^/]+/lib/|nvidia/cuda_nvcc/(bin/ptxas|nvvm/libdevice/)', n) and not n.endswith(('/', '.a', '.py')) else None
    if to:
        d = os.path.join(out, to); os.makedirs(os.path.dirname(d), exist_ok=True)
        with z.open(n) as s, open(d, 'wb') as f: shutil.copyfileobj(s, f, 1 << 22)
        os.chmod(d, 0o755)
PY
  W=$(ls "$TMP"/whl/*.whl); "$PYTHON" "$TMP/x.py" "$W" "$TMP/out" tf
  if command -v strip >/dev/null; then for f in "$TMP"/out/lib/*.so.2; do strip --strip-all "$f" || log "strip failed on $f (kept)"; done; fi
  if [ "$KIND" = gpu ]; then # CUDA libraries beside lib/: libtensorflow's RUNPATH looks in $ORIGIN/../nvidia/*/lib
    mapfile -t REQ < <("$PYTHON" "$TMP/x.py" "$W" - reqs); log "pip: ${REQ[*]}"; rm "$W"
    for r in "${REQ[@]}"; do "${PIPD[@]}" -d "$TMP/nv" "$r"; for w in "$TMP"/nv/*.whl; do "$PYTHON" "$TMP/x.py" "$w" "$TMP/out" nv; rm "$w"; done; done
  fi
  mv -T "$TMP/out" "$L" 2>/dev/null || [ -f "$L/lib/libtensorflow_cc.so.2" ]; rm -rf "$TMP"
fi

# 3. the addon: two C++ files against Node-API 8 (same binary for Node 20, 22, 24)
B=$L/tfjs_binding-$TFJS.node
if [ ! -f "$B" ]; then
  H=$CACHE/napi-$NAPI; [ -f "$H/node_modules/node-api-headers/include/node_api.h" ] || { mkdir -p "$H"; echo '{"private":true}' > "$H/package.json"; (cd "$H" && $NPM install --ignore-scripts "node-api-headers@$NAPI" >&2); }
  log "g++: $B"
  ${CXX:-g++} -O2 -std=c++17 -fPIC -shared -DNAPI_VERSION=8 -I"$H/node_modules/node-api-headers/include" -I"$L/include" \
    "$P/binding/tfjs_backend.cc" "$P/binding/tfjs_binding.cc" -L"$L/lib" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 \
    -Wl,-z,now,-rpath,'$ORIGIN/../../deps/lib' -o "$B.$$"
  mv "$B.$$" "$B"
fi

# 4. into the package, where node-pre-gyp's find() looks
rm -rf "$P/deps" "$P/lib/napi-v8"; mkdir -p "$P/lib/napi-v8"; ln -s "$L" "$P/deps"; cp "$B" "$P/lib/napi-v8/tfjs_binding.node"

# 5. prove it (TensorFlow's start-up lines are shown only on failure)
E=$(mktemp); TF_CPP_MIN_LOG_LEVEL=1 node --no-deprecation -e "
const u = require('util'); u.isNullOrUndefined ??= v => v == null; // removed in Node 23
const tf = require('$P'), y = tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2])).dataSync();
if (tf.getBackend() !== 'tensorflow' || String(y) !== '19,22,43,50') { console.error('WRONG', tf.getBackend(), y); process.exit(1); }
console.log('ok $PKG $TFJS on $WHEEL $TF, Node', process.version, 'backend', tf.getBackend(), 'gpu', tf.backend().isUsingGpuDevice);" 2>"$E" || { cat "$E" >&2; rm -f "$E"; exit 1; }
rm -f "$E"
