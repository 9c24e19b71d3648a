/** @file A program that takes note of which names of the user's own files were looked up, and what they meant. */
import { Program, type Found, type Module } from "../elaborate/program.ts";
import type { Named } from "../elaborate/program.ts";

/** What one piece of work has looked up: valid as long as every name still means the same. */
export type Lookups = Map<string, { readonly module: string; readonly name: string; readonly decl: Named | undefined }>;

export class WatchedProgram extends Program {
  private lookups: Lookups | undefined;

  override find(module: Module, name: string): Found | undefined {
    const found = super.find(module, name);
    // A module of the library sees nothing but the library, which does not change.
    if (this.lookups && !module.file.library)
      this.lookups.set(`${module.name}\n${name}`, { module: module.name, name, decl: found?.decl });
    return found;
  }

  /** Runs `work` and gives, with its result, what it has looked up. */
  watch<T>(work: () => T): { readonly result: T; readonly lookups: Lookups } {
    const before = this.lookups;
    const lookups: Lookups = new Map();
    this.lookups = lookups;
    try {
      return { result: work(), lookups };
    } finally {
      this.lookups = before;
    }
  }

  /** True where all that was looked up means the same in this program. */
  confirms(lookups: Lookups): boolean {
    for (const { module, name, decl } of lookups.values()) {
      const now = this.modules.get(module);
      if (!now || super.find(now, name)?.decl !== decl) return false;
    }
    return true;
  }
}
