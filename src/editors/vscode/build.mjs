/**
 * @file Builds the extension: a folder with the client, the server, the library and the manifest, and from it a `.vsix`
 * (`npm run vsix`, after the build of `dist/`). Needs no network.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const own = fileURLToPath(new URL(".", import.meta.url));
const manifest = () => JSON.parse(readFileSync(`${own}package.json`, "utf8"));
const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

const common = { absWorkingDir: own, bundle: true, minify: true, keepNames: true, logLevel: "warning" };

/** The server in one folder: everything but node's own modules is in the bundle; the library lies beside it. */
export async function bundleServer(folder) {
  await build({
    ...common,
    entryPoints: [{ in: "server.mts", out: "server" }],
    outdir: `${folder}/bin`,
    outExtension: { ".js": ".mjs" },
    format: "esm",
    platform: "node",
    target: "node20",
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    // The layout engine asks for it only where it is to run in a worker.
    external: ["web-worker"],
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
    },
    define: { __TFM_VERSION__: JSON.stringify(version) },
  });
  cpSync(`${root}stdlib`, `${folder}/stdlib`, { recursive: true });
  // What the build of the command has parsed already: without it the server parses the library when it starts.
  const parsed = `${root}dist/stdlib.json`;
  if (existsSync(parsed)) cpSync(parsed, `${folder}/bin/stdlib.json`);
}

/** What runs in the editor, and in the page of the picture. */
export async function bundleClient(folder) {
  await Promise.all([
    build({
      ...common,
      entryPoints: ["extension.ts"],
      outdir: folder,
      format: "cjs",
      platform: "node",
      target: "node20",
      // The editor gives it.
      external: ["vscode"],
    }),
    build({
      ...common,
      entryPoints: ["picture-page.ts"],
      outdir: folder,
      format: "iife",
      platform: "browser",
      target: "es2022",
    }),
  ]);
}

/** The extension's whole folder, as it is packaged. */
export async function stage(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(`${folder}/syntaxes`, { recursive: true });
  await Promise.all([bundleServer(`${folder}/server`), bundleClient(`${folder}/client`)]);
  writeFileSync(`${folder}/package.json`, `${JSON.stringify({ ...manifest(), version }, undefined, 2)}\n`);
  cpSync(`${root}grammar/tfm.tmLanguage.json`, `${folder}/syntaxes/tfm.tmLanguage.json`);
  cpSync(`${root}LICENSE`, `${folder}/LICENSE.txt`);
  for (const name of ["README.md", "language-configuration.json", "snippets"])
    cpSync(`${own}${name}`, `${folder}/${name}`, { recursive: true });
}

/** Packages a staged folder; gives the path of the package. */
export async function pack(folder, into) {
  const { createVSIX } = (await import("@vscode/vsce")).default;
  const packagePath = `${into}/${manifest().name}-${version}.vsix`;
  // Everything is in the bundles.
  await createVSIX({ cwd: folder, packagePath, dependencies: false });
  return packagePath;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = `${root}dist/vscode`;
  await stage(folder);
  console.log(await pack(folder, `${root}dist`));
}
