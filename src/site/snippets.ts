/**
 * @file What the site shows of a program: the site has no output that nobody computed. A fence of the pages may say after
 * `tfm` what to show beside the text: `draw`, `detail`, `check`, `info`, `test`; `error` for a program that must not compile, and
 * `mistake` for a law that must be refuted.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../cli/program.ts";

export interface Snippet {
  /** The program. */
  readonly text: string;
  /** What follows `tfm` in the fence's first line. */
  readonly show: readonly string[];
  /** Of the fence in its page, from 1. */
  readonly line: number;
}

/** What was computed: the figure as SVG, or the text of a command. */
export interface Shown {
  readonly show: string;
  readonly command: string;
  readonly status: number;
  readonly output: string;
}

/** Commands by what a fence asks for. `plain` programs are checked all the same. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  draw: ["draw"],
  detail: ["draw", "--detail"],
  check: ["check"],
  error: ["check"],
  info: ["info"],
  test: ["test"],
  mistake: ["test"],
};

/** What must fail, or the page is wrong. */
const FAILING = new Set(["error", "mistake"]);

/** The programs of a page: fences of the language `tfm`. */
export function snippetsOf(page: string): readonly Snippet[] {
  return [...page.matchAll(/^```tfm([^\n]*)\n(.*?)^```$/gms)].map((m) => ({
    text: m[2]!,
    show: m[1]!
      .trim()
      .split(/\s+/)
      .filter((word) => word !== ""),
    line: page.slice(0, m.index).split("\n").length,
  }));
}

/**
 * Runs what a snippet asks for, and a check where it asks for nothing. A word with `=` is a setting, `-m=NAME` a model.
 * Throws an error that names the fence where the result is not what its page says.
 */
export async function run(snippet: Snippet, page: string): Promise<readonly Shown[]> {
  const folder = mkdtempSync(join(tmpdir(), "tfm-site-"));
  try {
    const file = join(folder, "program.tfm");
    writeFileSync(file, snippet.text);
    const options = snippet.show.flatMap((w) =>
      w.startsWith("-m=") ? ["-m", w.slice(3)] : w.includes("=") ? ["-s", w] : [],
    );
    const words = snippet.show.filter((w) => !w.includes("="));
    const shown: Shown[] = [];
    for (const show of words.length > 0 ? words : ["check"]) {
      const command = COMMANDS[show];
      if (!command) throw new Error(`${page}:${snippet.line}: nothing is known by the name ${show}`);
      const result = await runQuietly([...command, file, ...(command[0] === "test" ? [] : options)]);
      if ((result.status === 0) === FAILING.has(show))
        throw new Error(`${page}:${snippet.line}: ${show} ends with ${result.status}:\n${result.err}${result.out}`);
      const output = (result.out === "" ? result.err : result.out).replaceAll(file, "program.tfm");
      shown.push({ show, command: ["tfm", ...command, "program.tfm"].join(" "), status: result.status, output });
    }
    return shown;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a command line of `tfm` in this process and keeps what it says. */
export async function runQuietly(argv: readonly string[]): Promise<{ status: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const status = await runCli(argv, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    color: { out: false, err: false },
    interactive: false,
    width: 96,
  });
  return { status, out, err };
}
