/** @file Compiled folders on the disk, for the runtime: what a server would give. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelSource } from "../../src/backends/tfjs/runtime/source.ts";

export function folderSource(folder: string): ModelSource {
  return {
    name: folder,
    read: async (file) => {
      const path = join(folder, file);
      if (!existsSync(path)) return undefined;
      const bytes = readFileSync(path);
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    },
  };
}
