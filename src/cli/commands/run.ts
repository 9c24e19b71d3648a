/** @file `tfm run`: runs a compiled model on given inputs and shows, or writes, what it puts out. */
import picocolors from "picocolors";
import { diagnose, type Diagnostic, type Result } from "../../diagnostics/diagnostic.ts";
import type { FormedRow } from "../../generate/forms.ts";
import { openArtifact, type OpenArtifact } from "../../host/run.ts";
import type { TfjsBackendName } from "../../host/tfjs.ts";
import { readValue, writeTensors, type InputValue } from "../../host/tensors.ts";
import { numbersOf, summarize, type TensorValue } from "../../host/values.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Io } from "../io.ts";
import { portRows } from "../ports.ts";
import { fail, sayJson, usage, type JsonOption } from "../report.ts";
import { bytes, duration, table } from "../text.ts";
import { textOf, vocabularyOf } from "../vocabulary.ts";

export interface RunOptions extends JsonOption {
  readonly input: readonly string[];
  readonly out?: string;
  /** Which of several model files. */
  readonly file?: string;
  /** Of TensorFlow.js. */
  readonly backend?: TfjsBackendName;
  /** Texts instead of tokens, a row each; second texts beside them; the task whose form they take. */
  readonly text?: readonly string[];
  readonly pair?: readonly string[];
  readonly task?: string;
}

type Outputs = ReadonlyMap<string, TensorValue>;

export async function run(io: Io, folder: string, options: RunOptions): Promise<ExitCode> {
  const opened = openArtifact(folder, {
    ...(options.file === undefined ? {} : { model: options.file }),
    ...(options.backend === undefined ? {} : { backend: options.backend }),
  });
  const artifact = opened.value;
  if (!artifact) return fail(io, options, opened.diagnostics);
  try {
    const problems: Diagnostic[] = [];
    const given = inputsOf(artifact, options.input, problems);
    const spoken = problems.length > 0 ? undefined : await textInputs(artifact, options);
    if (spoken && "usage" in spoken) return usage(io, spoken.usage);
    if (spoken?.diagnostics) problems.push(...spoken.diagnostics);
    if (problems.length > 0) return fail(io, options, problems);
    const start = performance.now();
    const { value: outputs, diagnostics } = await artifact.run(new Map([...(spoken?.value ?? []), ...given]));
    if (!outputs) return fail(io, options, diagnostics);
    const milliseconds = performance.now() - start;
    const written = options.out === undefined ? undefined : writeTensors(options.out, outputs);
    if (written && !written.value) return fail(io, options, written.diagnostics);
    if (options.json)
      sayJson(io, diagnostics, {
        outputs: Object.fromEntries([...outputs].map(([name, value]) => [name, summarize(value)])),
        milliseconds: Math.round(milliseconds),
      });
    else io.out(asText(artifact, outputs, io));
    io.err(`loaded and ran in ${duration(milliseconds)}\n`);
    if (written?.value) io.err(`wrote ${outputs.size} tensors to ${options.out} (${bytes(written.value.bytes)})\n`);
    return Exit.ok;
  } finally {
    await artifact.close();
  }
}

/** The inputs that texts become; what is given by name comes before them. */
async function textInputs(
  artifact: OpenArtifact,
  { text = [], pair = [], task }: RunOptions,
): Promise<Partial<Result<ReadonlyMap<string, InputValue>>> | { readonly usage: string }> {
  if (text.length === 0) {
    if (pair.length > 0 || task !== undefined) return { usage: "--pair and --task go with --text" };
    return {};
  }
  if (text.length > 1 && pair.length > 0 && pair.length !== text.length)
    return {
      usage: `there are ${text.length} --text and ${pair.length} --pair: give one of each, or several --pair for one --text`,
    };
  const [{ openTokenizer }, { taskRows }, { inputsOfRows }] = await Promise.all([
    import("../../host/texts.ts"),
    import("../texts.ts"),
    import("../../generate/rows.ts"),
  ]);
  const { folder, record } = artifact;
  const { value: tokenizer, diagnostics } = openTokenizer(folder);
  if (!tokenizer) return { diagnostics };
  const rows: (readonly FormedRow[])[] = [];
  for (const [i, one] of text.entries()) {
    const pairs = text.length === 1 ? pair : pair.slice(i, i + 1);
    const formed = taskRows(folder, record.tasks ?? {}, task, { text: one, pairs }, tokenizer);
    if ("code" in formed) return { diagnostics: [formed] };
    rows.push(formed);
  }
  const value = inputsOfRows(artifact.inputs, rows);
  return "reason" in value
    ? { diagnostics: [diagnose("generate/task", { folder, task: task ?? "--text", reason: value.reason })] }
    : { value };
}

function inputsOf(
  artifact: OpenArtifact,
  texts: readonly string[],
  problems: Diagnostic[],
): ReadonlyMap<string, InputValue> {
  const pasts = artifact.record.states.map(
    (s) => ({ name: s.past, dtype: s.dtype ?? "float32", axes: s.axes }) as const,
  );
  const ports = [...artifact.inputs, ...pasts];
  const given = new Map<string, InputValue>();
  for (const text of texts) {
    const at = text.indexOf("=");
    const name = text.slice(0, Math.max(at, 0)).trim();
    if (name === "") {
      problems.push(diagnose("cli/input-form", { text }));
      continue;
    }
    if (given.has(name)) problems.push(diagnose("cli/input-value", { name, reason: "it is given twice" }));
    const port = ports.find((p) => p.name === name);
    // An unknown name is said by the run itself, which knows the nearest.
    const { value, diagnostics } = readValue(text.slice(at + 1), port ?? { name, dtype: "float32", axes: [] });
    if (port) problems.push(...diagnostics);
    given.set(name, value ?? { random: 0 });
  }
  return given;
}

/** Each output with its range; scores over the tokenizer's words as the words that they prefer. What is handed on is only named. */
function asText(artifact: OpenArtifact, outputs: Outputs, io: Io): string {
  const c = picocolors.createColors(io.color.out);
  const presents = new Set(artifact.record.states.map((s) => s.present));
  const shown = [...outputs].filter(([name]) => !presents.has(name));
  const kept = [...outputs]
    .filter(([name]) => presents.has(name))
    .map(([name, v]) => ({ name, dtype: v.dtype as "float32", dims: v.dims }));
  const lines = shown.flatMap(([name, value]) => [
    `${c.bold(name)}  ${value.dtype}[${value.dims.join(", ")}]  ${rangeOf(value)}\n`,
    ...preferred(artifact.folder, value),
  ]);
  return lines.join("") + (kept.length === 0 ? "" : table(portRows("handed on to the next step:", kept)));
}

function rangeOf(value: TensorValue): string {
  const { min, max, mean, notFinite, values, more } = summarize(value, 8);
  const range =
    min === null || max === null || mean === null
      ? ""
      : `from ${figures(min)} to ${figures(max)}, mean ${figures(mean)}`;
  const broken = notFinite === undefined ? "" : `; ${notFinite} are not finite`;
  return `${range}${broken}${more === undefined && value.data.length > 0 ? `\n  ${JSON.stringify(values, (_, v: unknown) => (typeof v === "number" ? Number(v.toPrecision(6)) : v))}` : ""}`;
}

function figures(n: number): string {
  return String(Number(n.toPrecision(4)));
}

/** Rows of text: at each place the word with the highest score. */
function preferred(folder: string, value: TensorValue): string[] {
  const size = value.dims.at(-1) ?? 0;
  const words = size < 64 || !value.dtype.startsWith("float") ? undefined : vocabularyOf(folder, size);
  if (!words) return [];
  const numbers = numbersOf(value);
  const best = Array.from({ length: numbers.length / size }, (_, place) => words[argmax(numbers, place * size, size)]!);
  const places = value.dims.at(-2) ?? 1;
  return Array.from(
    { length: Math.min(best.length / places, 8) },
    (_, row) => `  highest at each place: ${JSON.stringify(textOf(best.slice(row * places, (row + 1) * places)))}\n`,
  );
}

function argmax(numbers: ArrayLike<number>, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (numbers[start + i]! > numbers[start + best]!) best = i;
  return best;
}
