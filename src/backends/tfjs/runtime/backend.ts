/** @file Which backend runs a model, and whether it still does. */
import { TfjsRuntimeError } from "./errors.ts";
import type { Tf } from "./tf.ts";

/** From the fastest to the one that is always there. `tensorflow` is that of tfjs-node. */
export const BACKENDS = ["tensorflow", "webgpu", "wasm", "cpu"] as const;

/** The backend in use; it knows when it is no longer to be trusted. */
export interface Backend {
  readonly name: string;
  /** Throws where TensorFlow.js has another backend now, or the device is lost. */
  check(): void;
}

interface Device {
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  addEventListener?(
    type: "uncapturederror",
    listener: (e: { readonly error: { readonly message: string } }) => void,
  ): void;
}

/** What was heard of each device; models that share one share its fate. */
const troubles = new WeakMap<Device, { message?: string }>();

/**
 * Switches to the first of these backends that can be used, and makes sure that it is the one in use: without an adapter, `setBackend`
 * of webgpu says false and leaves the old one.
 */
export async function useBackend(tf: Tf, names: readonly string[] = BACKENDS): Promise<Backend> {
  const reasons: string[] = [];
  for (const name of names) {
    const reason = await tryBackend(tf, name);
    if (reason === undefined) return watched(tf, name);
    reasons.push(`${name}: ${reason}`);
  }
  throw new TfjsRuntimeError(
    "backend-unavailable",
    `no backend can be used: ${reasons.join("; ")}`,
    "import the backend's package, or name another one",
  );
}

async function tryBackend(tf: Tf, name: string): Promise<string | undefined> {
  if (tf.getBackend() !== name && !isRegistered(tf, name)) return "it is not registered";
  try {
    if (!(await tf.setBackend(name))) return "it could not be started";
    await tf.ready();
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
  return tf.getBackend() === name ? undefined : `${tf.getBackend()} stayed in use`;
}

/** Asking for a backend by `findBackend` would start it. */
function isRegistered(tf: Tf, name: string): boolean {
  return name in (tf.engine() as unknown as { registryFactory: Readonly<Record<string, unknown>> }).registryFactory;
}

function watched(tf: Tf, name: string): Backend {
  const { device } = tf.backend() as unknown as { readonly device?: Device };
  const trouble = device === undefined ? {} : troublesOf(device);
  return {
    name,
    check: () => {
      if (tf.getBackend() !== name)
        throw new TfjsRuntimeError(
          "backend-changed",
          `the model was loaded for ${name}, and ${tf.getBackend()} is in use now`,
          `switch back with setBackend("${name}"), or load the model again`,
        );
      if (trouble.message !== undefined)
        throw new TfjsRuntimeError(
          "device-lost",
          `the device of ${name} failed: ${trouble.message}`,
          "load the page and the model again; if it fails again, use wasm",
        );
    },
  };
}

function troublesOf(device: Device): { message?: string } {
  const known = troubles.get(device);
  if (known) return known;
  const trouble: { message?: string } = {};
  troubles.set(device, trouble);
  void device.lost.then(({ reason, message }) => {
    trouble.message ??= `it was lost (${[reason, message].filter((s) => s).join(": ")})`;
  });
  device.addEventListener?.("uncapturederror", ({ error }) => {
    trouble.message ??= error.message.split("\n")[0] ?? "";
  });
  return trouble;
}
