/** @file Runs the command line in this process and keeps what it says. */
import type { Io } from "../../src/cli/io.ts";
import { runCli } from "../../src/cli/program.ts";

export interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export async function tfm(...argv: readonly string[]): Promise<Said> {
  let out = "";
  let err = "";
  const io: Io = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    color: { out: false, err: false },
    interactive: false,
    width: 120,
  };
  const status = await runCli(argv, io);
  return { status, out, err };
}
