/**
 * @file Training through a compiled folder: the weights are constants of the graph, and a constant that is fed is a variable. The folder
 * is compiled with an objective (`tfm compile SOURCE --objective NAME -t tfjs`), whose output is the loss.
 */
import type { TfmParameter } from "../fusions.ts";
import { TfjsRuntimeError } from "./errors.ts";
import { fillInputs, type Values } from "./ports.ts";
import type { TfjsModel } from "./load.ts";
import type { NamedTensorMap, Scalar, Tensor, Tf, Variable } from "./tf.ts";
import { prepareWasm } from "./wasm-training.ts";

/** How weights are moved along their gradients; keeps what it needs of one step for the next. */
export interface Optimizer {
  /** Moves each variable that has a gradient of its name. The gradients stay the caller's. */
  apply(variables: ReadonlyMap<string, Variable>, gradients: Readonly<Record<string, Tensor>>): void;
  dispose(): void;
}

/** A weight as it is now. */
export interface TrainedWeight {
  readonly path: string;
  /** The axes of the program, as `data` has them, slowest first. */
  readonly order: TfmParameter["order"];
  readonly data: Float32Array;
}

/** A model whose weights can be trained. `dispose` frees its variables and leaves the model. */
export interface Trainable {
  /** By the names that `tf.variableGrads` gives gradients under: paths of the program, `layers.3.attention.q.weight`. */
  readonly variables: ReadonlyMap<string, Variable>;
  /** The loss as a scalar: what a function given to `tf.variableGrads` or an optimizer's `minimize` has to return. */
  loss(batch: Readonly<Record<string, Values>>): Scalar;
  /** The loss of a batch and its gradients, which are the caller's to dispose of, by variable. */
  gradients(batch: Readonly<Record<string, Values>>): { readonly loss: Scalar; readonly gradients: NamedTensorMap };
  /** One step on a batch: the loss before it. Leaves no tensor behind. */
  step(batch: Readonly<Record<string, Values>>, optimizer: Optimizer): Promise<number>;
  /** All weights as they are now. */
  weights(): Promise<readonly TrainedWeight[]>;
  dispose(): void;
}

let models = 0;

/**
 * Makes the model's weights variables. The model must have been loaded with `fuse: false` on webgpu (fused kernels have no gradients), and
 * gradients must be registered: `@tensorflow/tfjs` and tfjs-node do so, of the single packages a bundler's copy of the core.
 * Throws `TfjsRuntimeError`.
 */
export function trainable(model: TfjsModel, output = "loss"): Trainable {
  const { tf, signature, fusions, parameters } = model;
  if (!signature.outputs.some((o) => o.name === output))
    throw new TfjsRuntimeError(
      "no-gradients",
      `the model has no output ${output}: it has ${signature.outputs.map((o) => o.name).join(", ")}`,
      "compile it with --objective, or name the output that is to become small",
    );
  if (fusions.length > 0)
    throw new TfjsRuntimeError("no-gradients", "fused kernels have no gradients", "load the model with fuse: false");
  if (parameters.length === 0)
    throw new TfjsRuntimeError("no-gradients", "model.json does not say what its weights are", "compile it again");
  const folded = parameters.find((p) => p.factor !== undefined);
  if (folded)
    throw new TfjsRuntimeError(
      "no-gradients",
      `its weights are not the program's: ${folded.path} is there times ${folded.factor}`,
      "compile it with --objective, or with --no-optimize",
    );
  if (model.asynchronous)
    throw new TfjsRuntimeError(
      "has-loops",
      "TensorFlow.js has no gradients of loops",
      "compile it with the loop's length fixed: --size seq=64",
    );
  if (tf.getGradient("BatchMatMul") === undefined)
    throw new TfjsRuntimeError(
      "no-gradients",
      "TensorFlow.js has no gradients registered",
      'import "@tensorflow/tfjs-core/dist/register_all_gradients" through a bundler, or use @tensorflow/tfjs',
    );
  if (model.backend === "wasm") prepareWasm(tf);
  return new TrainableModel(model, output);
}

class TrainableModel implements Trainable {
  readonly variables: ReadonlyMap<string, Variable>;
  /** By the constant's name. */
  private readonly feeds: NamedTensorMap = {};
  private readonly tf: Tf;
  /** Names of variables are one space for the whole program. */
  private readonly prefix = `tfm${models++}/`;

  constructor(
    private readonly model: TfjsModel,
    private readonly output: string,
  ) {
    this.tf = model.tf;
    const constants = model.constants();
    const variables = new Map<string, Variable>();
    for (const { path, constants: names } of model.parameters)
      for (const [i, name] of names.entries()) {
        const called = names.length === 1 ? path : `${path}#${i}`;
        const variable = this.tf.variable(constants.get(name)!, true, this.prefix + called);
        variables.set(called, variable);
        this.feeds[name] = variable;
      }
    this.variables = variables;
  }

  loss(batch: Readonly<Record<string, Values>>): Scalar {
    return this.tf.tidy(() => {
      const feeds: NamedTensorMap = { ...this.feeds };
      for (const [name, { port, values }] of fillInputs(this.model.signature, batch))
        feeds[name] = this.model.tensor(values, port.dtype);
      return this.tf.reshape(this.model.execute(feeds, [this.output])[0]!, []) as Scalar;
    });
  }

  gradients(batch: Readonly<Record<string, Values>>): { loss: Scalar; gradients: NamedTensorMap } {
    const { value, grads } = this.tf.variableGrads(() => this.loss(batch), [...this.variables.values()]);
    const gradients = Object.fromEntries(
      Object.entries(grads).flatMap(([name, g]) => (g ? [[name.slice(this.prefix.length), g] as const] : [])),
    );
    return { loss: value, gradients };
  }

  async step(batch: Readonly<Record<string, Values>>, optimizer: Optimizer): Promise<number> {
    const { loss, gradients } = this.gradients(batch);
    try {
      optimizer.apply(this.variables, gradients);
      return (await loss.data())[0]!;
    } finally {
      for (const t of [loss, ...Object.values(gradients)]) t.dispose();
    }
  }

  async weights(): Promise<readonly TrainedWeight[]> {
    return Promise.all(
      this.model.parameters.map(async ({ path, constants, order, along }): Promise<TrainedWeight> => {
        const parts = await Promise.all(constants.map((name) => this.feeds[name]!.data<"float32">()));
        return { path, order, data: joined(parts, order, along) };
      }),
    );
  }

  dispose(): void {
    for (const v of this.variables.values()) v.dispose();
  }
}

/** Pieces along an axis as one, row-major in the order. */
function joined(parts: readonly Float32Array[], order: TfmParameter["order"], along: string | undefined): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const data = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  const outer = order
    .slice(
      0,
      order.findIndex((a) => a.name === along),
    )
    .reduce((n, a) => n * a.size, 1);
  let at = 0;
  for (let i = 0; i < outer; i++)
    for (const part of parts) {
      const run = part.length / outer;
      data.set(part.subarray(i * run, (i + 1) * run), at);
      at += run;
    }
  return data;
}

export interface AdamWOptions {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Of the weight itself, a step, times the learning rate; not part of the gradient. */
  readonly weightDecay: number;
}

/** Adam with weight decay that is not part of the gradient (Loshchilov and Hutter, 2019). TensorFlow.js has Adam alone. */
export function adamW(tf: Tf, options: Partial<AdamWOptions> = {}): Optimizer {
  const { learningRate, beta1, beta2, epsilon, weightDecay }: AdamWOptions = {
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.01,
    ...options,
  };
  const moments = new Map<string, { readonly first: Variable; readonly second: Variable }>();
  let steps = 0;
  return {
    apply: (variables, gradients) => {
      steps++;
      for (const [name, variable] of variables) {
        const gradient = gradients[name];
        if (!gradient) continue;
        let m = moments.get(name);
        if (!m) {
          m = tf.tidy(() => ({
            first: tf.variable(tf.zerosLike(variable), false),
            second: tf.variable(tf.zerosLike(variable), false),
          }));
          moments.set(name, m);
        }
        const { first, second } = m;
        tf.tidy(() => {
          first.assign(tf.add(tf.mul(first, beta1), tf.mul(gradient, 1 - beta1)));
          second.assign(tf.add(tf.mul(second, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
          const root = tf.add(tf.sqrt(tf.div(second, 1 - beta2 ** steps)), epsilon);
          const move = tf.mul(tf.div(tf.div(first, 1 - beta1 ** steps), root), learningRate);
          variable.assign(tf.sub(tf.mul(variable, 1 - learningRate * weightDecay), move));
        });
      }
    },
    dispose: () => {
      for (const { first, second } of moments.values()) {
        first.dispose();
        second.dispose();
      }
      moments.clear();
    },
  };
}
