/** @file Opens a compiled folder for generating: a decoder that runs in ONNX Runtime, or in TensorFlow.js. */
import { diagnose, type Result } from "../diagnostics/diagnostic.ts";
import { DecodeFailure, type Decoder } from "../generate/decoder.ts";
import { decoderOver, type Loaded } from "../generate/session-decoder.ts";
import { rolesOf } from "../generate/signature.ts";
import type { ArtifactRecord, ArtifactSignature } from "./record.ts";
import { tfjsDecoder } from "../generate/tfjs.ts";
import { openArtifact, type OpenArtifact } from "./run.ts";
import { folderSource, openTfjs, type TfjsBackendName } from "./tfjs.ts";

export interface DecoderOptions {
  /** As messages call the folder; by default its path. */
  readonly name?: string;
  /** How many threads an operator may take; by default as many as there are cores. */
  readonly threads?: number;
  /** Which backend of TensorFlow.js; by default the fastest that is installed. */
  readonly backend?: TfjsBackendName;
}

/** A decoder over all model files of a folder. Its `close` frees them. */
export async function openDecoder(
  folder: string,
  { name = folder, threads, backend }: DecoderOptions = {},
): Promise<Result<Decoder>> {
  const { value: first, diagnostics } = openArtifact(folder, { name });
  if (!first) return { diagnostics };
  if (first.record.target === "tfjs") return openTfjsDecoder(folder, name, backend);
  const cannot = (reason: string): Result<Decoder> => ({
    diagnostics: [diagnose("generate/cannot", { folder: name, reason })],
  });
  const signatures = signaturesOf(first.record);
  const roles = rolesOf(signatures.at(-1)!.signature);
  if ("reason" in roles) return cannot(roles.reason);
  const opened: OpenArtifact[] = [];
  const models: Loaded[] = [];
  for (const { file, signature } of signatures) {
    const { value: artifact, diagnostics: problems } = openArtifact(folder, {
      name,
      ...(file === undefined ? {} : { model: file }),
      ...(threads === undefined ? {} : { threads }),
    });
    const session = artifact && (await artifact.load());
    if (artifact) opened.push(artifact);
    if (!session?.value) {
      for (const o of opened) await o.close();
      return { diagnostics: session?.diagnostics ?? problems };
    }
    models.push({ signature, session: session.value });
  }
  const decoder = decoderOver(models);
  if (!("reason" in decoder)) return { value: decoder, diagnostics: [] };
  for (const o of opened) await o.close();
  return cannot(decoder.reason);
}

async function openTfjsDecoder(folder: string, name: string, wanted?: TfjsBackendName): Promise<Result<Decoder>> {
  const { value: opened, diagnostics } = openTfjs(name, wanted);
  if (!opened) return { diagnostics };
  try {
    const { tf, backends } = opened;
    return { value: await tfjsDecoder(tf, folderSource(folder, name), { backends }), diagnostics: [] };
  } catch (e) {
    if (e instanceof DecodeFailure) return { diagnostics: [e.diagnostic] };
    throw e;
  }
}

function signaturesOf(
  record: ArtifactRecord,
): readonly { readonly file?: string; readonly signature: ArtifactSignature }[] {
  return record.graphs?.map((g) => ({ file: g.file, signature: g })) ?? [{ signature: record }];
}
