/**
 * @file What machine this is: figures of different ones are not to be compared; and a process of the bench in which equal graphs are equally
 * fast.
 */
import { spawnSync } from "node:child_process";
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

const HUGE_PAGES = "glibc.malloc.hugetlb=1";

/**
 * Runs this script again in an environment that asks for huge pages, where the system gives them to whoever asks, and ends with it. In small
 * ones a graph is faster or slower by a tenth as its weights happen to lie in memory: of four sessions of one graph the first to be opened
 * was the slowest, by 6 to 10 % of a step. Gives whether there are huge pages.
 */
export function inHugePages() {
  const { GLIBC_TUNABLES } = process.env;
  const { glibcVersionRuntime } = process.report.getReport().header;
  const pages = readable("/sys/kernel/mm/transparent_hugepage/enabled").match(/\[(\w+)\]/)?.[1];
  if (pages !== "madvise" || !glibcVersionRuntime) return pages === "always";
  if (GLIBC_TUNABLES !== undefined) return GLIBC_TUNABLES.includes(HUGE_PAGES);
  const env = { ...process.env, GLIBC_TUNABLES: HUGE_PAGES };
  const { status } = spawnSync(process.execPath, process.argv.slice(1), { stdio: "inherit", env });
  process.exit(status ?? 1);
}

/** The environment of a command that is measured: as a user has it. */
export function usersEnvironment() {
  const { GLIBC_TUNABLES, ...rest } = process.env;
  return GLIBC_TUNABLES === HUGE_PAGES ? rest : process.env;
}
