#!/usr/bin/env node
/** @file The command `tfm`. Sets the exit status instead of exiting, so that everything written gets out. */
import { processIo } from "./io.ts";
import { runCli } from "./program.ts";

// A reader that has seen enough (`tfm ops | head`) closes the pipe; that is no error.
process.stdout.on("error", (e: NodeJS.ErrnoException) => {
  if (e.code !== "EPIPE") throw e;
  process.exit(0);
});

process.exitCode = await runCli(process.argv.slice(2), processIo());
