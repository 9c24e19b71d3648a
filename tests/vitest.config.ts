import { defineConfig } from "vitest/config";
import { provideVulkan } from "./support/vulkan.ts";

provideVulkan();

/** Where CI wants the counts, as JSON. */
const report = process.env["TFM_TEST_REPORT"];

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["tests/**/*.test.ts", "examples/testing/*.test.ts"],
    // As a user's project has it, but from the sources.
    alias: { "tfm-lang/testing": new URL("../src/testing/index.ts", import.meta.url).pathname },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // By default a processor is left idle, of two of them half of all.
    maxWorkers: "100%",
    reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"],
  },
});
