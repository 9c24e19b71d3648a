/**
 * @file What must not be left behind when a program is stopped in the middle (Ctrl-C, SIGTERM) or fails. Signals are
 * caught only while there is something to clean up; else they end the program as they always do.
 */

interface Pending {
  readonly clean: () => void;
  /** What is said when a signal ends the program. */
  readonly message: string;
}

const pending = new Set<Pending>();

/** The status with which a shell shows a program that a signal ended: 128 and its number. */
const STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type Signal = keyof typeof STATUS;

/** Runs `clean` (which must not wait) if the program ends before the answer is called. */
export function cleanUpOnExit(clean: () => void, message: string): () => void {
  const entry: Pending = { clean, message };
  if (pending.size === 0) watch();
  pending.add(entry);
  return () => {
    if (pending.delete(entry) && pending.size === 0) unwatch();
  };
}

function onSignal(signal: Signal): void {
  for (const { message } of pending) process.stderr.write(`\n${message}\n`);
  cleanAll();
  process.exit(STATUS[signal]);
}

function cleanAll(): void {
  for (const { clean } of pending) clean();
  pending.clear();
}

function watch(): void {
  for (const signal of Object.keys(STATUS) as Signal[]) process.on(signal, onSignal);
  process.on("exit", cleanAll);
}

function unwatch(): void {
  for (const signal of Object.keys(STATUS) as Signal[]) process.off(signal, onSignal);
  process.off("exit", cleanAll);
}
