/** @file `npx vite examples/browser`: the page with what lies in `public/`. In a project of its own, leave `resolve` out. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));

export default defineConfig({
  root: here,
  base: "./",
  resolve: { alias: { "tfm-lang/tfjs": fileURLToPath(new URL("../../src/tfjs.ts", import.meta.url)) } },
  build: { target: "es2022", chunkSizeWarningLimit: 3000 },
});
