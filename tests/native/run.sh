#!/usr/bin/env bash
# The operators and the checkpoints on tfjs-node, which is the oracle for the other backends of TensorFlow.js. Sets it up first.
set -euo pipefail
cd "$(dirname "$0")/../.."
FOLDER=$PWD/node_modules/.cache/tfjs-node
bash tests/native/setup.sh "$FOLDER" "${1:-cpu}"
TFM_TFJS_NODE=$FOLDER TF_CPP_MIN_LOG_LEVEL=1 TF_ENABLE_ONEDNN_OPTS=0 \
  npx vitest run --config tests/vitest.config.ts tests/conformance tests/checkpoints/tfjs.test.ts tests/tfjs/scan.test.ts tests/native
