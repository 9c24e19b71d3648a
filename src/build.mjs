/**
 * @file Builds `dist/`: the command (`cli.js`), the library (`index.js`), the runtime for TensorFlow.js (`tfjs.js`), the prettier plugin (`prettier.js`), what tests import (`testing.js`) and their types. `npm install` in a clone runs it.
 *
 * Everything but the native runtime is bundled and minified, and the command is in chunks that are loaded when they are needed:
 * unbundled, reading the parser library module by module costs each command a third of a second, and protobuf classes 50 ms.
 */
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const at = (path) => `${root}${path}`;

/** Bundles the command and the library into `folder`, which is what it was until all is there. */
export async function bundle(folder = at("dist")) {
  const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
  const outdir = `${folder}-${process.pid}`;
  rmSync(outdir, { recursive: true, force: true });
  const common = {
    absWorkingDir: root,
    outdir,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    minify: true,
    // Names of functions and classes stand in the stack of a bug report.
    keepNames: true,
    external: ["onnxruntime-node", "elkjs", "@tensorflow/*"],
    // Packages in the older module format load node's own modules by `require`.
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
    },
    define: { __TFM_VERSION__: JSON.stringify(version) },
    logLevel: "warning",
  };
  await Promise.all([
    build({
      ...common,
      entryPoints: [{ in: "src/cli/main.ts", out: "cli" }],
      splitting: true,
      chunkNames: "chunks/[name]-[hash]",
    }),
    build({ ...common, entryPoints: [{ in: "src/index.ts", out: "index" }] }),
    build({ ...common, entryPoints: [{ in: "src/format/plugin.ts", out: "prettier" }] }),
    // fast-check is the user's own: its arbitraries must be those of the tests.
    build({
      ...common,
      external: [...common.external, "fast-check"],
      entryPoints: [{ in: "src/testing/index.ts", out: "testing" }],
    }),
    build({
      ...common,
      entryPoints: [{ in: "src/api/node.ts", out: "node" }],
      splitting: true,
      chunkNames: "chunks/[name]-[hash]",
    }),
    // These run in browsers too: nothing of node's is in them.
    build({
      ...common,
      platform: "browser",
      banner: {},
      // Each name is kept by a call, which a program's own bundler would have to keep too.
      keepNames: false,
      entryPoints: [{ in: "src/api/web.ts", out: "web" }],
      splitting: true,
      chunkNames: "chunks/[name]-[hash]",
    }),
    build({ ...common, platform: "neutral", banner: {}, entryPoints: [{ in: "src/tfjs.ts", out: "tfjs" }] }),
  ]);
  chmodSync(`${outdir}/cli.js`, 0o755);
  await parseLibrary(outdir);
  rmSync(folder, { recursive: true, force: true });
  renameSync(outdir, folder);
}

/** Parses the standard library once: a command that compiles a checkpoint then needs no parser. */
async function parseLibrary(outdir) {
  // A copy of its own: what was imported before may be of an earlier build.
  const { library, storeSyntax, syntaxOf } = await import(`${pathToFileURL(`${outdir}/index.js`)}?built=${Date.now()}`);
  const stored = library.modules().map((name) => {
    const file = library.read(name);
    const { value, diagnostics } = syntaxOf(file);
    if (diagnostics.length > 0) throw new Error(`${file.name}: ${diagnostics[0].message}`);
    return `${JSON.stringify(name)}:{"text":${JSON.stringify(file.text)},"syntax":${storeSyntax(value)}}`;
  });
  writeFileSync(`${outdir}/stdlib.json`, `{${stored.join(",\n")}}\n`);
}

/** Writes declarations of the library and of what it uses, without checking: `npm run typecheck` does that. */
async function declarations(outdir = at("dist/types")) {
  const { default: ts } = await import("typescript");
  const read = ts.getParsedCommandLineOfConfigFile(
    at("tsconfig.json"),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} },
  );
  const options = {
    ...read.options,
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    noCheck: true,
    outDir: outdir,
  };
  const { emitSkipped } = ts
    .createProgram(
      ["index", "format/plugin", "testing/index", "tfjs", "api/node", "api/web"].map((e) => at(`src/${e}.ts`)),
      options,
    )
    .emit();
  if (emitSkipped) throw new Error("the declarations of the library were not written");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle();
  await declarations();
}
