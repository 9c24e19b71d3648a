/** @file The rules of clients in the library, and folders on the disk as those rules look at them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describeOnnx } from "../backends/onnx/describe.ts";
import type { FolderView } from "../clients/check.ts";
import type { ClientRules } from "../clients/rules.ts";
import { readJsonObject } from "./config.ts";
import { libraryFiles, libraryText } from "./stdlib.ts";
import { reasonOf, statOf } from "./system.ts";

/** What may stand after `--for`. */
export function clientNames(): readonly string[] {
  return libraryFiles("clients", ".json");
}

/** The rules of a client by its name, which is one of `clientNames`. */
export function readClient(name: string): ClientRules {
  return { ...(JSON.parse(libraryText(`clients/${name}.json`)) as Omit<ClientRules, "name">), name };
}

/** A folder on the disk. Each model file is decoded once. */
export function viewFolder(folder: string): FolderView {
  const models = new Map<string, ReturnType<FolderView["model"]>>();
  return {
    size: (name) => {
      const stat = statOf(join(folder, name));
      return stat?.isFile() ? stat.size : undefined;
    },
    json: (name) => {
      const { value, diagnostics } = readJsonObject(join(folder, name), name);
      return value ? { value } : { reason: diagnostics[0]?.message.replace(/^.*?: /, "") ?? "it cannot be read" };
    },
    model: (name) => {
      const known = models.get(name);
      if (known) return known;
      let found: ReturnType<FolderView["model"]>;
      try {
        found = describeOnnx(readFileSync(join(folder, name)));
      } catch (e) {
        found = { reason: reasonOf(e) };
      }
      models.set(name, found);
      return found;
    },
  };
}
