import { defineConfig } from "vitest/config";

/** Where CI wants the counts, as JSON. */
const report = process.env["TFM_TEST_REPORT"];

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["tests/**/*.test.ts"],
    testTimeout: 60_000,
    reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"],
  },
});
