/** @file The compiler's version: put in by the build, read from package.json where there was none. */
import { readFileSync } from "node:fs";

declare const __TFM_VERSION__: string | undefined;

export function version(): string {
  if (typeof __TFM_VERSION__ === "string") return __TFM_VERSION__;
  return (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string })
    .version;
}
