/** @file The page in the panel: the picture, and what can be chosen of it. */
import type { Choice, FromPage, ToPage } from "./messages.ts";

declare function acquireVsCodeApi(): { postMessage(message: FromPage): void };

const editor = acquireVsCodeApi();
const element = <T extends Element>(id: string): T => document.getElementById(id) as unknown as T;
const model = element<HTMLSelectElement>("model");
const detail = element<HTMLInputElement>("detail");
const types = element<HTMLInputElement>("types");
const save = element<HTMLButtonElement>("save");
const picture = element<HTMLImageElement>("picture");
const error = element<HTMLElement>("error");

function choose(): void {
  const choice: Choice = {
    ...(model.selectedIndex >= 0 ? { model: model.value } : {}),
    detail: detail.checked,
    types: types.checked,
  };
  editor.postMessage({ kind: "choose", choice });
}
for (const input of [model, detail, types]) input.addEventListener("change", choose);
save.addEventListener("click", () => editor.postMessage({ kind: "save" }));
// As wide as the panel, or as large as it is drawn.
picture.addEventListener("click", () => picture.classList.toggle("whole"));

window.addEventListener("message", ({ data }: MessageEvent<ToPage>) => {
  const isError = data.kind === "error";
  error.textContent = isError ? data.message : "";
  error.hidden = !isError;
  document.body.classList.toggle("old", isError);
  if (data.kind === "error") return;
  // A picture as an image runs no scripts, whatever a name in it says.
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(data.svg)}`;
  const { choice } = data;
  picture.alt = choice.model === "" ? "the model" : choice.model;
  picture.hidden = false;
  save.disabled = false;
  model.replaceChildren(...data.models.map((name) => new Option(name, name, false, name === choice.model)));
  model.hidden = data.models.length < 2;
  detail.checked = choice.detail;
  types.checked = choice.types;
});

editor.postMessage({ kind: "ready" });
