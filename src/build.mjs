/**
 * @file Builds `dist/`: the command (`cli.js`), the library (`index.js`) and its types. `npm install` in a clone runs it.
 *
 * Everything but the native runtime is bundled and minified, in chunks that are loaded when they are needed: reading the parser
 * library module by module would cost each command a third of a second, and unbundled protobuf classes another 50 ms.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const at = (path) => `${root}${path}`;

/** Bundles the command and the library into `outdir`. */
export async function bundle(outdir = at("dist")) {
  const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
  rmSync(outdir, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: [{ in: "src/cli/main.ts", out: "cli" }, ...(existsSync(at("src/index.ts")) ? [{ in: "src/index.ts", out: "index" }] : [])],
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    minify: true,
    // Names of functions and classes stand in the stack of a bug report.
    keepNames: true,
    chunkNames: "chunks/[name]-[hash]",
    external: ["onnxruntime-node"],
    define: { __TFM_VERSION__: JSON.stringify(version) },
    logLevel: "warning",
  });
  chmodSync(`${outdir}/cli.js`, 0o755);
}

/** Declarations of the library, without checking: `npm run typecheck` does that. */
function types() {
  const tsc = at("node_modules/typescript/bin/tsc");
  const args = ["--declaration", "--emitDeclarationOnly", "--noCheck", "--noEmit", "false", "--outDir", at("dist/types"), "--project", at("tsconfig.build.json")];
  const { status } = spawnSync(process.execPath, [tsc, ...args], { stdio: "inherit" });
  if (status !== 0) throw new Error("the declarations of the library were not written");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle();
  if (process.argv.includes("--types")) types();
}
