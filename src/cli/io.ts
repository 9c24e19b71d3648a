/** @file What a command talks to: two streams of text, and what is known of the terminal behind them. */

export interface Io {
  /** Results: what another program may read. */
  out(text: string): void;
  /** What was done, what is wrong. */
  err(text: string): void;
  /** May the text on each stream have colours? */
  readonly color: { readonly out: boolean; readonly err: boolean };
  /** Is a person watching stderr? Only then is there a progress bar. */
  readonly interactive: boolean;
  /** Cells in a line of the terminal. */
  readonly width: number;
}

/** The process's own streams. Colours obey https://no-color.org and `FORCE_COLOR`. */
export function processIo(): Io {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  const colorful = (stream: NodeJS.WriteStream): boolean =>
    NO_COLOR ? false : FORCE_COLOR !== undefined ? FORCE_COLOR !== "0" : stream.isTTY === true && TERM !== "dumb";
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    color: { out: colorful(process.stdout), err: colorful(process.stderr) },
    interactive: process.stderr.isTTY === true && TERM !== "dumb",
    width: process.stderr.columns ?? 120,
  };
}
