/** @file Reads the files of a compiled folder for comparison: graphs, and the numbers of weights when they are asked for. */
import { closeSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { readOnnx } from "../backends/onnx/read.ts";
import { readTfjs } from "../backends/tfjs/read.ts";
import { Unreadable, type ReadBytes, type WrittenGraph } from "../backends/written.ts";
import { diagnose, type Result } from "../diagnostics/diagnostic.ts";
import type { Artifact, ArtifactPart } from "../equivalence/artifact/artifact.ts";
import { decodeUtf8 } from "../weights/json.ts";
import { changedFiles, readRecord, type ArtifactGraph } from "./record.ts";
import { readRange, readSmall, statOf, systemReason } from "./system.ts";

/** Of a model without its weights. */
const MOST_BYTES = 512_000_000;

/** The graphs of a folder that `tfm compile` has written. */
export function readArtifact(folder: string, name = folder): Result<Artifact> {
  const { value: record, diagnostics } = readRecord(folder, name);
  if (!record) return { diagnostics };
  const only = record.target === "tfjs" ? "model.json" : "model.onnx";
  const graphs: readonly ArtifactGraph[] = record.graphs ?? [{ ...record, file: only }];
  // A graph may have been edited: what it computes now is the question. Its weights' places may not have moved.
  const data = record.files.filter((f) => !graphs.some((g) => g.file === f.name));
  const problems = changedFiles(folder, name, record, data);
  if (problems.length > 0) return { diagnostics: [...diagnostics, ...problems] };
  const parts: ArtifactPart[] = [];
  for (const { file, given, inputs, outputs, states, count } of graphs) {
    const read = readGraph(folder, file);
    if ("reason" in read)
      return {
        diagnostics: [
          ...diagnostics,
          diagnose("artifact/damaged", { folder: name, file, reason: read.reason }, undefined, {
            hint: "compile again",
          }),
        ],
      };
    const more = { ...(count === undefined ? {} : { count }), given: new Map(Object.entries(given ?? {})) };
    parts.push({ file, graph: read.graph, inputs, outputs, states, ...more });
  }
  return { value: { name, parts }, diagnostics };
}

function readGraph(folder: string, file: string): { readonly graph: WrittenGraph } | { readonly reason: string } {
  const read = readSmall(join(folder, file), MOST_BYTES);
  if ("reason" in read) return read;
  const home = join(folder, dirname(file));
  try {
    if (!file.endsWith(".json")) return { graph: readOnnx(read.bytes, (...at) => bytesOf(home, ...at)) };
    const text = decodeUtf8(read.bytes) ?? "";
    return { graph: readTfjs(text, shardsOf(home, text)) };
  } catch (e) {
    if (e instanceof Unreadable) return { reason: e.message };
    throw e;
  }
}

function bytesOf(home: string, file: string, offset: number, length: number): Uint8Array {
  // A name inside the folder: a model cannot make other files part of it.
  if (file === "" || file.split("/").some((part) => part === ".." || part === "") || file.includes("\\"))
    throw new Unreadable(`${JSON.stringify(file)} is no name of a file in the folder`);
  let fd: number | undefined;
  try {
    const stat = statOf(join(home, file));
    if (!stat?.isFile()) throw new Unreadable(`${file} is not there`);
    if (offset + length > stat.size)
      throw new Unreadable(`${file} has ${stat.size} bytes, and up to ${offset + length} are asked for`);
    fd = openSync(join(home, file), "r");
    return readRange(fd, offset, length);
  } catch (e) {
    if (e instanceof Unreadable) throw e;
    throw new Unreadable(`${file} cannot be read: ${systemReason(e)}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The shards as one sequence of bytes. */
function shardsOf(home: string, text: string): ReadBytes {
  return (_, offset, length) => {
    const out = new Uint8Array(length);
    let start = 0;
    for (const name of shardNames(text)) {
      const size = statOf(join(home, name))?.size ?? 0;
      const [from, to] = [Math.max(offset, start), Math.min(offset + length, start + size)];
      if (from < to) out.set(bytesOf(home, name, from - start, to - from), from - offset);
      start += size;
    }
    if (offset + length > start)
      throw new Unreadable(`the shards have ${start} bytes, and ${offset + length} are asked for`);
    return out;
  };
}

function shardNames(text: string): readonly string[] {
  const { weightsManifest } = JSON.parse(text) as {
    readonly weightsManifest: readonly { readonly paths: readonly string[] }[];
  };
  return weightsManifest.flatMap((g) => g.paths);
}
