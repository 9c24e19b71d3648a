/** @file VitePress's own theme, with room for figures beside programs. */
import DefaultTheme from "vitepress/theme";
import "./figures.css";

export default DefaultTheme;
