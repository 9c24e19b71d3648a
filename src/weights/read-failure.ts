/**
 * @file What `Checkpoint.read` throws where a file cannot be read any more: the one mistake of the user's world that
 * comes up in the middle.
 */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";

/** Caught by what asked for the numbers (`writeArtifact`, a command), which reports the diagnostic. */
export class ReadFailure extends Error {
  override readonly name = "ReadFailure";

  constructor(readonly diagnostic: Diagnostic) {
    super(diagnostic.message);
  }
}
