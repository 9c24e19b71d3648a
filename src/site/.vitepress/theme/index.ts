/** @file VitePress's own theme, with room for figures beside programs, and the playground. */
import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme";
import { defineAsyncComponent } from "vue";
import "./figures.css";

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => {
    app.component(
      "Playground",
      defineAsyncComponent(() => import("./Playground.vue")),
    );
  },
} satisfies Theme;
