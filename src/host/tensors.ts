/** @file Reads the values that `tfm run` is given, and writes what it gives. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { diagnose, type Result } from "../diagnostics/diagnostic.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { rawElements, toFloat32 } from "../weights/dtypes.ts";
import { decodeUtf8, parseJson, type JsonValue } from "../weights/json.ts";
import { buildHeader, kindOf } from "../weights/safetensors.ts";
import { ReadFailure } from "../weights/read-failure.ts";
import type { StoredDtype } from "../weights/source.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { cleanUpOnExit } from "./cleanup.ts";
import { readNpy, type NumberArray } from "./npy.ts";
import type { ArtifactPort } from "./record.ts";
import { codeOf, readSmall, reasonOf } from "./system.ts";
import { fromNumbers, showPort, STORED, type TensorValue } from "./values.ts";

/** A value, or one to be drawn when the sizes are known. */
export type InputValue = TensorValue | { readonly random: number };

/** Inputs are no models: larger files are a mistake. */
const LIMIT = 2 ** 31;

type Read<T> = T | { readonly reason: string; readonly hint?: string };

/**
 * Reads the text after `NAME=`: JSON, `@file.json`, `@file.npy`, `@file.safetensors:tensor` or `random:SEED`.
 * The value has the port's dtype and number of axes, and its sizes where they are fixed.
 */
export function readValue(text: string, port: ArtifactPort): Result<InputValue> {
  const read = parseValue(text.trim(), port);
  if (!("reason" in read)) return { value: read, diagnostics: [] };
  const hint = read.hint ?? `${port.name} is ${showPort(port)}`;
  return { diagnostics: [diagnose("cli/input-value", { name: port.name, reason: read.reason }, undefined, { hint })] };
}

function parseValue(text: string, port: ArtifactPort): Read<InputValue> {
  if (text.startsWith("random:")) return random(text.slice("random:".length));
  const value = text.startsWith("@") ? readFile(text.slice(1), port) : fromJson(text, port);
  if ("reason" in value) return value;
  return shapeReason(value, port) ?? value;
}

/** Why a value does not have the axes of a port; undefined where it does. */
export function shapeReason({ dims }: TensorValue, port: ArtifactPort): { readonly reason: string } | undefined {
  const { axes } = port;
  if (dims.length !== axes.length)
    return { reason: `its shape is [${dims.join(", ")}], with ${dims.length} axes instead of ${axes.length}` };
  const at = axes.findIndex((a, i) => a.size !== undefined && a.size !== dims[i]);
  return at < 0
    ? undefined
    : { reason: `its axis ${at} (${axes[at]!.name}) has ${dims[at]} places instead of ${axes[at]!.size}` };
}

function random(seed: string): Read<InputValue> {
  const random = Number(seed);
  if (/^\d+$/.test(seed) && Number.isSafeInteger(random)) return { random };
  return {
    reason: `random: takes a seed, a whole number, not ${seed === "" ? "nothing" : seed}`,
    hint: "write `random:1`",
  };
}

function readFile(path: string, port: ArtifactPort): Read<TensorValue> {
  const tensor = /^(.+\.safetensors)(?::(.*))?$/.exec(path);
  if (tensor) return fromSafetensors(tensor[1]!, tensor[2], port);
  const npy = path.endsWith(".npy");
  if (!npy && !path.endsWith(".json")) return { reason: `${path} is no .json, .npy or .safetensors file` };
  const read = readSmall(path, LIMIT);
  if ("reason" in read) return { reason: `${path} cannot be read: ${read.reason}`, hint: "check the path" };
  if (npy) {
    const array = readNpy(read.bytes);
    return "reason" in array ? { reason: `${path} ${array.reason}` } : converted(array.data, array.dims, port);
  }
  const text = decodeUtf8(read.bytes);
  return text === undefined ? { reason: `${path} is no UTF-8 text` } : fromJson(text, port);
}

function fromSafetensors(path: string, asked: string | undefined, port: ArtifactPort): Read<TensorValue> {
  const { value: file, diagnostics } = openCheckpoint(path);
  if (!file)
    return {
      reason: diagnostics[0]!.message,
      ...(diagnostics[0]!.hint === undefined ? {} : { hint: diagnostics[0]!.hint }),
    };
  try {
    const names = [...file.tensors.keys()];
    const name = asked || (file.tensors.has(port.name) ? port.name : names.length === 1 ? names[0]! : "");
    const tensor = file.tensors.get(name);
    if (!tensor) {
      const close = nearest(name, names);
      const hint = close !== undefined ? `did you mean ${path}:${close}?` : `it has ${listed(names)}`;
      return { reason: name === "" ? `which tensor of ${path} is not said` : `${path} has no tensor ${name}`, hint };
    }
    const bytes = file.read(tensor);
    return converted(numbersOfStored(tensor.dtype, bytes), tensor.shape, port);
  } catch (e) {
    if (e instanceof ReadFailure) return { reason: e.diagnostic.message };
    throw e;
  } finally {
    file.close();
  }
}

function listed(names: readonly string[]): string {
  const more = names.length > 6 ? ` and ${names.length - 6} more` : "";
  return names.length === 0 ? "none" : `${names.slice(0, 6).join(", ")}${more}`;
}

function numbersOfStored(dtype: StoredDtype, bytes: Uint8Array): NumberArray {
  return dtype === "F16" || dtype === "BF16" ? toFloat32(dtype, bytes) : (rawElements(dtype, bytes) as NumberArray);
}

function converted(data: NumberArray, dims: readonly number[], port: ArtifactPort): Read<TensorValue> {
  return fromNumbers(port.dtype, data, dims);
}

function fromJson(text: string, port: ArtifactPort): Read<TensorValue> {
  const parsed = parseJson(text);
  if ("problem" in parsed)
    return {
      reason: `it is no JSON: ${parsed.problem.reason} (character ${parsed.problem.column})`,
      hint: "write numbers in nested lists, `[[1, 2, 3]]`, or name a file with @",
    };
  const dims: number[] = [];
  for (let v: JsonValue | undefined = parsed.value; Array.isArray(v); v = (v as readonly JsonValue[])[0])
    dims.push(v.length);
  const numbers: number[] = [];
  const reason = flatten(parsed.value, dims, [], numbers);
  return reason === undefined ? fromNumbers(port.dtype, numbers, dims) : { reason };
}

/** Appends the numbers of nested lists; says where they are ragged or hold something else. */
function flatten(v: JsonValue, dims: readonly number[], at: readonly number[], out: number[]): string | undefined {
  const here = at.length === 0 ? "it" : `[${at.join(", ")}]`;
  if (at.length === dims.length) {
    if (Array.isArray(v)) return `${here} is a list where others are numbers`;
    if (typeof v !== "number" && typeof v !== "boolean") return `${here} is ${kindOf(v)}, not a number`;
    out.push(Number(v));
    return undefined;
  }
  if (!Array.isArray(v)) return `${here} is ${kindOf(v)} where others are lists`;
  const list = v as readonly JsonValue[];
  if (list.length !== dims[at.length])
    return `its lists have different lengths: ${here} has ${list.length} where the first has ${dims[at.length]}`;
  for (const [i, x] of list.entries()) {
    const reason = flatten(x, dims, [...at, i], out);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Writes tensors to a `.safetensors` file, whole or not at all. */
export function writeTensors(
  path: string,
  tensors: ReadonlyMap<string, TensorValue>,
): Result<{ readonly bytes: number }> {
  const list = [...tensors].map(([name, t]) => ({ name, dtype: STORED[t.dtype], shape: t.dims, data: t.data }));
  const { header, bytes } = buildHeader(list);
  const temporary = `${path}.tmp-${process.pid}`;
  const remove = (): void => rmSync(temporary, { force: true });
  const release = cleanUpOnExit(remove, `interrupted: ${path} was not written`);
  try {
    const fd = openSync(temporary, "wx");
    try {
      for (const part of [
        header,
        ...list.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      ])
        for (let at = 0; at < part.length;) at += writeSync(fd, part, at, Math.min(part.length - at, 1 << 30));
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    return { value: { bytes }, diagnostics: [] };
  } catch (e) {
    if (codeOf(e) === undefined) throw e;
    return {
      diagnostics: [
        diagnose("artifact/cannot-write", { out: path, file: "", reason: reasonOf(e) }, undefined, {
          hint: "choose another file after --out",
        }),
      ],
    };
  } finally {
    remove();
    release();
  }
}
