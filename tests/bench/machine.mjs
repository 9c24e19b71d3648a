/** @file What machine this is: figures of different ones are not to be compared. */
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

export function machine() {
  const flags =
    readable("/proc/cpuinfo")
      .match(/^flags\s*:(.*)$/m)?.[1]
      ?.split(" ") ?? [];
  const simd = ["avx2", "avx512f", "avx512_vnni", "amx_int8"].filter((f) => flags.includes(f));
  return `${cpus().length} x ${cpus()[0].model}${simd.length > 0 ? ` (${simd.join(", ")})` : ""}, ${Math.round(totalmem() / 1e9)} GB, ${process.platform}-${process.arch}`;
}

function readable(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
