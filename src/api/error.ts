/** @file What goes wrong, as programs catch it. */
import { diagnose, type Code, type Diagnostic, type ParamsOf } from "../diagnostics/diagnostic.ts";
import { render } from "../diagnostics/render.ts";

/** A mistake in what was given. `message` is the whole text; `diagnostics` has codes, places and hints. */
export class TfmError extends Error {
  override readonly name = "TfmError";

  constructor(readonly diagnostics: readonly Diagnostic[]) {
    super(render(diagnostics).trim());
  }

  static of<C extends Code>(code: C, params: ParamsOf<C>): TfmError {
    return new TfmError([diagnose(code, params)]);
  }
}
