/** @file A source as one short text: a folder that was compiled from another one is an old one. */
import type { SourceRequest } from "../compile.ts";
import { hashOf } from "../host/artifact.ts";

/** Of everything that the user gave: programs, config, settings. */
export function sourceHash({ main, uses, config, model, objective, settings }: SourceRequest): string {
  return hashOf([
    main?.text ?? "",
    ...uses.map((u) => u.text),
    JSON.stringify(config?.value ?? null),
    model ?? "",
    ...(objective === undefined ? [] : [`--objective=${objective}`]),
    ...settings.map((s) => `${s.name}=${s.text}`),
  ]);
}
