/** @file The documentation site: `npm run site` builds it, `npm run site:dev` shows it while it is written. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";
import { catalogPages } from "../reference/pages.ts";
import { fences, figureStyles, prepareFences } from "./fences.ts";

const site = fileURLToPath(new URL("..", import.meta.url));
const grammar = JSON.parse(
  readFileSync(fileURLToPath(new URL("../../../grammar/tfm.tmLanguage.json", import.meta.url)), "utf8"),
);

await prepareFences(site);

export default defineConfig({
  title: "tfm",
  description: "A language in which a transformer is written as the caption of its figure, and its compiler.",

  cleanUrls: true,
  lastUpdated: false,
  head: [
    ["style", {}, figureStyles()],
    ["link", { rel: "icon", href: "/favicon.svg" }],
  ],
  markdown: {
    languages: [{ ...grammar, name: "tfm", aliases: [] }],
    theme: { light: "github-light", dark: "github-dark" },
    config: fences,
  },
  vite: {
    worker: { format: "es" },
    // The worker and the pages take the compiler's sources as they are.
    build: { target: "es2022", chunkSizeWarningLimit: 2000 },
    server: { fs: { allow: [fileURLToPath(new URL("../../..", import.meta.url))] } },
  },
  themeConfig: {
    search: { provider: "local" },
    outline: { level: [2, 3] },
    nav: [
      { text: "Tour", link: "/tour/a-line", activeMatch: "/tour/" },
      { text: "Playground", link: "/playground" },
      { text: "Reference", link: "/reference/language", activeMatch: "/reference/" },
    ],
    sidebar: {
      "/tour/": [
        {
          text: "A tour of half an hour",
          items: [
            { text: "1. A line", link: "/tour/a-line" },
            { text: "2. The encoder: BERT", link: "/tour/encoder" },
            { text: "3. The decoder: GPT and Llama", link: "/tour/decoder" },
            { text: "4. Attention: many, one, or groups", link: "/tour/attention" },
            { text: "5. Feed-forward networks", link: "/tour/feed-forward" },
            { text: "6. Norms", link: "/tour/norms" },
            { text: "7. Positions", link: "/tour/positions" },
            { text: "8. Encoder and decoder: T5", link: "/tour/encoder-decoder" },
            { text: "9. A block of your own", link: "/tour/own-block" },
            { text: "10. Laws", link: "/tour/laws" },
            { text: "11. Trained weights", link: "/tour/checkpoints" },
          ],
        },
      ],
      "/reference/": [
        {
          text: "Reference",
          items: [
            { text: "The language", link: "/reference/language" },
            { text: "Grammar", link: "/reference/grammar" },
            { text: "Commands", link: "/reference/commands" },
            { text: "Operators", link: "/reference/operators" },
          ],
        },
        { text: "The library", collapsed: false, items: catalogPages.library() },
        { text: "Errors", collapsed: true, items: catalogPages.errors() },
      ],
    },
  },
});
