/** @file How a command ends. */

export const Exit = {
  ok: 0,
  /** The user's input is wrong: a program, a checkpoint, a value. */
  wrong: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** An error in tfm (EX_SOFTWARE of sysexits.h). */
  bug: 70,
  /** Ctrl-C: 128 and the signal's number, as shells show it. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof Exit)[keyof typeof Exit];
