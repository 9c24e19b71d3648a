/**
 * @file From a key stroke to its diagnostics: the language server as a process, a client at its pipes, and a program of two
 * thousand lines in which one character is typed at a time.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createProtocolConnection, StreamMessageReader, StreamMessageWriter } from "vscode-languageserver/node";

const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
/** Milliseconds. */
const PATIENCE = 60_000;

/** The examples, again and again under other names, until there are so many lines. */
export function longProgram(lines) {
  const texts = readdirSync(examples)
    .filter((f) => f.endsWith(".tfm"))
    .sort()
    .map((f) => readFileSync(`${examples}${f}`, "utf8"))
    // A bare stack is no declaration.
    .filter((text) => /^model /m.test(text));
  let whole = SUBJECT;
  for (let i = 0; whole.split("\n").length < lines; i++) whole += `\n${renamed(texts[i % texts.length], `_${i}`)}`;
  return whole;
}

/** What is typed in. */
const SUBJECT = `/// What is typed in.
model subject(vocab = 1000, hidden = 64, heads = 4, layers = 2) grows seq {
  input tokens as "input_ids": int[batch, seq]
  output logits = tokens -> words: embed(vocab)
    -> layers: decoder x{layers} < gqa(2, rope), rmsnorm, own_ffn(128) >
    -> head: linear(vocab, bias = false)
}

block own_ffn(inner: dim): ffn given hidden {
  input x: [..., hidden]
  output x -> up: linear(inner) -> relu -> lower: linear(hidden)
}
`;

function renamed(text, suffix) {
  let made = text;
  for (const [, name] of text.matchAll(/^(?:model|block|op) (\w+)/gm))
    made = made.replace(new RegExp(`(?<![\\w.])${name}(?!\\w)`, "g"), `${name}${suffix}`);
  return made;
}

/** What is typed over what, and whose diagnostics are waited for; then it is typed back, and they are to be gone. */
const STROKES = [
  { what: "a letter of a name", from: "rmsnorm, own", to: "rmsnor, own", code: "name/unknown" },
  {
    what: "a number that does not fit",
    from: "gqa(2, rope), rmsnorm, own",
    to: "gqa(3, rope), rmsnorm, own",
    code: "setting/inexact",
  },
  {
    what: "a size in a block that a model uses",
    from: "lower: linear(hidden)",
    to: "lower: linear(heads)",
    code: undefined,
  },
  {
    what: "a bracket",
    from: "linear(vocab, bias = false)\n}\n\nblock own",
    to: "linear(vocab, bias = false\n}\n\nblock own",
    code: "syntax/unclosed-bracket",
  },
];

/** @returns the seconds until a program of so many lines is known after it was opened, and of each stroke those to its diagnostics, there and back */
export async function keyStrokes(lines, rounds) {
  const client = await connect();
  let text = longProgram(lines);
  const uri = "file:///bench/program.tfm";
  const textDocument = { uri, languageId: "tfm", version: 1, text };
  let version = 1;
  const opened = performance.now();
  let whole = client.whole();
  await client.send("textDocument/didOpen", { textDocument });
  await whole;
  const open = (performance.now() - opened) / 1000;
  if (client.last().some((d) => d.severity === 1)) throw new Error(JSON.stringify(client.last()[0]));

  const type = async (from, to, as) => {
    const at = text.indexOf(from);
    if (at < 0 || text.indexOf(from, at + 1) >= 0) throw new Error(`${from} does not stand there once`);
    // As an editor does: only what differs.
    let same = 0;
    while (from[same] === to[same]) same++;
    let tail = 0;
    while (tail < Math.min(from.length, to.length) - same && from.at(-1 - tail) === to.at(-1 - tail)) tail++;
    const start = at + same;
    const end = at + from.length - tail;
    const change = {
      range: { start: place(text, start), end: place(text, end) },
      text: to.slice(same, to.length - tail),
    };
    text = text.slice(0, at) + to + text.slice(at + from.length);
    const begin = performance.now();
    const done = client.diagnosed(++version, as);
    whole = client.whole();
    await client.send("textDocument/didChange", { textDocument: { uri, version }, contentChanges: [change] });
    const taken = ((await done) - begin) / 1000;
    await whole;
    return taken;
  };
  const measured = [];
  for (const { what, from, to, code } of STROKES) {
    const isThere = (all) => all.some((d) => d.severity === 1 && (code === undefined || d.code === code));
    const times = [];
    for (let i = -1; i < rounds; i++) {
      const there = await type(from, to, isThere);
      const back = await type(to, from, (all) => !isThere(all));
      // The first is to warm up.
      if (i >= 0) times.push(there, back);
    }
    measured.push({ what, times });
  }
  await client.end();
  return { lines: text.split("\n").length, open, measured };
}

function place(text, offset) {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length - 1, character: before.at(-1).length };
}

async function connect() {
  const server = spawn(process.execPath, [cli, "lsp"], { stdio: ["pipe", "pipe", "inherit"] });
  const connection = createProtocolConnection(
    new StreamMessageReader(server.stdout),
    new StreamMessageWriter(server.stdin),
  );
  let last = { version: 0, diagnostics: [] };
  let look = () => {};
  let finish = () => {};
  connection.onNotification("textDocument/publishDiagnostics", (params) => {
    last = params;
    look();
  });
  // The server asks for it when it has elaborated everything.
  connection.onRequest("workspace/codeLens/refresh", () => {
    finish();
    return null;
  });
  connection.listen();
  const capabilities = { workspace: { codeLens: { refreshSupport: true } } };
  await connection.sendRequest("initialize", { processId: process.pid, rootUri: null, capabilities });
  await connection.sendNotification("initialized", {});
  return {
    send: (method, params) => connection.sendNotification(method, params),
    last: () => last.diagnostics,
    /** When diagnostics of this version came that are as they should be. */
    diagnosed: (version, as) =>
      new Promise((resolve, reject) => {
        const tooLong = setTimeout(() => reject(new Error(`not diagnosed: ${JSON.stringify(last)}`)), PATIENCE);
        look = () => {
          if (last.version !== version || !as(last.diagnostics)) return;
          clearTimeout(tooLong);
          look = () => {};
          resolve(performance.now());
        };
      }),
    /** Until the server has nothing more to say of the text that is sent next: what is left of one stroke is not to count for the next. */
    whole: () => new Promise((resolve) => (finish = resolve)),
    async end() {
      await connection.sendRequest("shutdown");
      await connection.sendNotification("exit");
      connection.dispose();
    },
  };
}
