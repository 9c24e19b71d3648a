/**
 * @file A layer of BERT-base in TensorFlow.js on wasm: as compiled, and as one writes it by hand, in turn in one process. Both read the
 * same weights, and must agree.
 */
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const HIDDEN = 768;
const HEADS = 12;
/** Sequences of so many places. */
const CASES = [
  { batch: 1, seq: 128 },
  { batch: 1, seq: 512 },
  { batch: 4, seq: 128 },
];

/**
 * @param {(args: string[]) => Promise<unknown>} tfm runs a command
 * @param {string} folder for what is compiled
 * @param {number} rounds
 * @returns for each case how many times faster the compiled layer is than the layer written plainly, and than with its linear maps
 *   flattened to two dimensions by hand; and how large the difference is
 */
export async function tfjsLayer(tfm, folder, rounds) {
  const tf = require("@tensorflow/tfjs-core");
  const { loadGraphModel } = require("@tensorflow/tfjs-converter");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
  if (!(await tf.setBackend("wasm"))) throw new Error("the wasm backend of TensorFlow.js does not start");
  const out = join(folder, "tfjs-layer");
  const source = "encoder(post) < mha(bias = true), layernorm(1e-12), mlp(gelu, 3072) >";
  await tfm([
    "compile",
    "-e",
    source,
    "-s",
    `hidden=${HIDDEN}`,
    "-s",
    `heads=${HEADS}`,
    "-o",
    out,
    "-t",
    "tfjs",
    "--provider",
    "wasm",
  ]);
  const model = await loadGraphModel({ load: async () => artifacts(out) });
  const weights = matrices(tf, model);
  const results = [];
  for (const { batch, seq } of CASES) {
    const x = tf.randomNormal([batch, seq, HIDDEN], 0, 1, "float32", 7);
    const compiled = () => model.execute({ [model.inputs[0].name]: x });
    const written = (linear) => () => tf.tidy(() => byHand(tf, x, weights, linear));
    const [plain, flat] = [written(asBatch), written(asMatrix)];
    const [a, b] = [compiled(), plain()];
    const apart = tf.tidy(() => tf.max(tf.abs(tf.sub(tf.reshape(a, b.shape), b))).dataSync()[0]);
    const time = (run) => {
      const start = process.hrtime.bigint();
      run().dispose();
      return Number(process.hrtime.bigint() - start) / 1e6;
    };
    const ratios = { plain: [], flat: [] };
    for (let i = 0; i < rounds; i++) {
      const own = time(compiled);
      ratios.plain.push(time(plain) / own);
      ratios.flat.push(time(flat) / own);
    }
    results.push({ batch, seq, apart, plain: spread(ratios.plain), flat: spread(ratios.flat) });
    tf.dispose([x, a, b]);
  }
  model.dispose();
  return results;
}

/** So many nodes in a row, each of which does next to nothing. */
const CHAIN = 1000;

/**
 * What the executor of graphs takes of each node beside the kernel: a chain of additions as a graph, and as calls of the library.
 *
 * @param {number} rounds
 * @returns by backend microseconds a node: of the graph, of the calls, and the difference
 */
export async function executorOverhead(rounds) {
  const tf = require("@tensorflow/tfjs-core");
  const { loadGraphModel } = require("@tensorflow/tfjs-converter");
  require("@tensorflow/tfjs-backend-cpu");
  const results = [];
  for (const backend of ["cpu", "wasm"]) {
    if (!(await tf.setBackend(backend))) throw new Error(`the backend ${backend} of TensorFlow.js does not start`);
    results.push(await overheadOn(tf, loadGraphModel, backend, rounds));
  }
  return results;
}

/** The same on the backend that is in use. Where a device works on, its time is not in it: only that of telling it what to do. */
export async function overheadOn(tf, loadGraphModel, backend, rounds) {
  const model = await loadGraphModel({ load: async () => chain() });
  const [x, one] = [tf.zeros([1, 4]), tf.ones([4])];
  const graph = () => model.execute({ x });
  const calls = () => tf.tidy(() => Array.from({ length: CHAIN }).reduce((y) => tf.add(y, one), x));
  const time = async (run) => {
    const start = process.hrtime.bigint();
    const made = run();
    const micros = Number(process.hrtime.bigint() - start) / 1e3 / CHAIN;
    if ((await made.data())[0] !== CHAIN) throw new Error("the chain did not add up");
    made.dispose();
    return micros;
  };
  for (let i = 0; i < 3; i++) for (const run of [graph, calls]) await time(run);
  const found = { graph: [], calls: [], more: [] };
  for (let i = 0; i < Math.max(20, rounds); i++) {
    const [a, b] = [await time(graph), await time(calls)];
    found.graph.push(a);
    found.calls.push(b);
    found.more.push(a - b);
  }
  model.dispose();
  tf.dispose([x, one]);
  return { backend, graph: spread(found.graph), calls: spread(found.calls), more: spread(found.more) };
}

function chain() {
  const float = { T: { type: "DT_FLOAT" } };
  const name = (i) => (i === 0 ? "x" : `add${i}`);
  const adds = Array.from({ length: CHAIN }, (_, i) => ({
    name: name(i + 1),
    op: "AddV2",
    input: [name(i), "one"],
    attr: float,
  }));
  const shape = { dim: [{ size: "1" }, { size: "4" }] };
  const info = (of) => ({ name: `${of}:0`, dtype: "DT_FLOAT", tensorShape: shape });
  return {
    modelTopology: {
      node: [
        { name: "x", op: "Placeholder", attr: { dtype: { type: "DT_FLOAT" }, shape: { shape } } },
        { name: "one", op: "Const", attr: { dtype: { type: "DT_FLOAT" } } },
        ...adds,
      ],
      library: {},
      versions: { producer: 1882 },
    },
    signature: { inputs: { x: info("x") }, outputs: { y: info(name(CHAIN)) } },
    weightSpecs: [{ name: "one", shape: [4], dtype: "float32" }],
    weightData: Float32Array.of(1, 1, 1, 1).buffer,
  };
}

function spread(numbers) {
  const sorted = numbers.toSorted((p, q) => p - q);
  return { median: sorted[Math.floor(sorted.length / 2)], least: sorted[0], most: sorted.at(-1) };
}

function artifacts(folder) {
  const model = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
  const [{ paths, weights }] = model.weightsManifest;
  const bytes = Buffer.concat(paths.map((p) => readFileSync(join(folder, p))));
  const { modelTopology, signature } = model;
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return { modelTopology, signature, weightSpecs: weights, weightData };
}

/** The compiled model's weights by their paths, as matrices and vectors. */
function matrices(tf, model) {
  const found = (path) => {
    const name = Object.keys(model.weights).find((n) => n.endsWith(path));
    if (!name) throw new Error(`there is no weight ${path}`);
    return model.weights[name][0];
  };
  const matrix = (path, rows) => tf.reshape(found(`${path}.weight`), [rows, -1]);
  const vector = (path, kind = "bias") => tf.reshape(found(`${path}.${kind}`), [-1]);
  const linear = (path, rows) => ({ w: matrix(path, rows), b: vector(path) });
  const norm = (path) => ({ w: vector(path, "weight"), b: vector(path) });
  return {
    q: linear("attention.body.q", HIDDEN),
    k: linear("attention.body.k", HIDDEN),
    v: linear("attention.body.v", HIDDEN),
    out: linear("attention.body.out", HIDDEN),
    attentionNorm: norm("attention.norm"),
    up: linear("ffn.body.up", HIDDEN),
    down: linear("ffn.body.down", 4 * HIDDEN),
    ffnNorm: norm("ffn.norm"),
  };
}

/** A batch of matrices by a matrix: the one that is to be repeated, since a batch of one by one of many is wrong on wasm. */
function asBatch(tf, y, { w, b }) {
  const whole = tf.expandDims(w, 0);
  return tf.add(tf.matMul(y, y.shape[0] === 1 ? whole : tf.tile(whole, [y.shape[0], 1, 1])), b);
}

function asMatrix(tf, y, { w, b }) {
  const [batch, seq, width] = y.shape;
  return tf.reshape(tf.add(tf.matMul(tf.reshape(y, [batch * seq, width]), w), b), [batch, seq, w.shape[1]]);
}

/** As the paper's equations read in TensorFlow.js. */
function byHand(tf, x, p, linearMap) {
  const [batch, seq] = x.shape;
  const width = HIDDEN / HEADS;
  const linear = (y, weights) => linearMap(tf, y, weights);
  const norm = (y, { w, b }) => {
    const { mean, variance } = tf.moments(y, -1, true);
    return tf.add(tf.mul(tf.mul(tf.sub(y, mean), tf.rsqrt(tf.add(variance, 1e-12))), w), b);
  };
  const heads = (y) => tf.transpose(tf.reshape(y, [batch, seq, HEADS, width]), [0, 2, 1, 3]);
  const [q, k, v] = [p.q, p.k, p.v].map((w) => heads(linear(x, w)));
  const share = tf.softmax(tf.mul(tf.matMul(q, k, false, true), width ** -0.5));
  const mixed = tf.reshape(tf.transpose(tf.matMul(share, v), [0, 2, 1, 3]), [batch, seq, HIDDEN]);
  const middle = norm(tf.add(x, linear(mixed, p.out)), p.attentionNorm);
  const wide = linear(middle, p.up);
  const gelu = tf.mul(tf.mul(wide, 0.5), tf.add(tf.erf(tf.div(wide, Math.SQRT2)), 1));
  return norm(tf.add(middle, linear(gelu, p.down)), p.ffnNorm);
}
