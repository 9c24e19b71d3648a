/** @file The rules of what stands inside a declaration: parameters, slots, types, statements, lines of checkpoint maps. */
import { ExpressionRules, type Rule } from "./expression-rules.ts";
import * as T from "./tokens.ts";

export class LineRules extends ExpressionRules {
  // ── Parameters, slots, types ─────────────────────────────────────────────────────────────────────────────────────────

  readonly params: Rule = this.RULE("params", () => {
    this.CONSUME(T.LParen);
    this.MANY(() => {
      this.SUBRULE(this.param);
      this.OPTION(() => this.CONSUME(T.Comma));
    });
    this.CONSUME(T.RParen);
  });

  readonly given: Rule = this.RULE("given", () => {
    this.CONSUME(T.Given);
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.SUBRULE(this.param) });
  });

  readonly param: Rule = this.RULE("param", () => {
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.Ellipsis) },
        {
          ALT: () => {
            this.CONSUME(T.Name);
            this.OPTION(() => {
              this.CONSUME(T.Colon);
              this.SUBRULE(this.type);
            });
            this.OPTION1(() => {
              this.CONSUME(T.Equal);
              this.SUBRULE(this.expression);
            });
          },
        },
      ],
      ERR_MSG: "a parameter's name",
    });
  });

  readonly slots: Rule = this.RULE("slots", () => {
    this.CONSUME(T.SlotOpen);
    this.MANY(() => {
      this.SUBRULE(this.slot);
      this.OPTION(() => this.CONSUME(T.Comma));
    });
    this.CONSUME(T.SlotClose);
  });

  readonly slot: Rule = this.RULE("slot", () => {
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.Ellipsis) },
        {
          ALT: () => {
            this.CONSUME(T.Name);
            this.OPTION(() => this.CONSUME(T.Question));
            this.OPTION1(() => {
              this.CONSUME(T.Colon);
              this.CONSUME1(T.Name, { LABEL: "role" });
            });
            this.OPTION2(() => {
              this.CONSUME(T.Equal);
              this.SUBRULE(this.filler);
            });
          },
        },
      ],
      ERR_MSG: "a slot's name",
    });
  });

  readonly type: Rule = this.RULE("type", () => {
    this.OR({
      DEF: [
        {
          ALT: () => {
            this.OR1([
              { ALT: () => this.CONSUME(T.Name, { LABEL: "base" }) },
              { ALT: () => this.CONSUME(T.Dim, { LABEL: "base" }) },
              { ALT: () => this.CONSUME(T.Op, { LABEL: "base" }) },
              { ALT: () => this.CONSUME(T.Block, { LABEL: "base" }) },
            ]);
            this.OPTION(() => this.SUBRULE(this.axes));
          },
        },
        { ALT: () => this.SUBRULE1(this.axes) },
      ],
      ERR_MSG: "a type",
    });
    this.OPTION1(() => this.CONSUME(T.Question));
    this.MANY(() => {
      this.CONSUME(T.Bar);
      this.CONSUME1(T.Name, { LABEL: "alternative" });
    });
  });

  readonly axes: Rule = this.RULE("axes", () => {
    this.CONSUME(T.LBracket);
    this.MANY(() => {
      this.SUBRULE(this.axis);
      this.OPTION(() => this.CONSUME(T.Comma));
    });
    this.CONSUME(T.RBracket);
  });

  readonly axis: Rule = this.RULE("axis", () => {
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.Ellipsis) },
        {
          ALT: () => {
            this.CONSUME(T.Name);
            this.CONSUME(T.As);
            this.CONSUME(T.Text);
          },
        },
        {
          ALT: () => {
            this.CONSUME1(T.Name);
            this.CONSUME(T.Equal);
            this.SUBRULE(this.expression);
          },
        },
        { ALT: () => this.SUBRULE1(this.expression) },
      ],
      ERR_MSG: "an axis",
    });
  });

  // ── Statements ───────────────────────────────────────────────────────────────────────────────────────────────────────

  readonly body: Rule = this.RULE("body", () => {
    this.CONSUME(T.LBrace);
    this.MANY(() => {
      this.SUBRULE(this.statement);
      this.OPTION(() => this.CONSUME(T.Semicolon));
    });
    this.CONSUME(T.RBrace);
  });

  readonly statement: Rule = this.RULE("statement", () => {
    this.OR({
      DEF: [
        { ALT: () => this.SUBRULE(this.tensor) },
        { ALT: () => this.SUBRULE(this.dim) },
        { ALT: () => this.SUBRULE(this.let) },
        { ALT: () => this.SUBRULE(this.output) },
      ],
      ERR_MSG: "a statement",
    });
  });

  /** `input` and `param` are written alike; a second name, which only an input has, is refused later. */
  readonly tensor: Rule = this.RULE("tensor", () => {
    this.OR([
      { ALT: () => this.CONSUME(T.Input, { LABEL: "word" }) },
      { ALT: () => this.CONSUME(T.Param, { LABEL: "word" }) },
    ]);
    this.CONSUME(T.Name);
    this.OPTION(() => {
      this.CONSUME(T.As);
      this.CONSUME(T.Text);
      this.OPTION2(() => {
        this.CONSUME(T.Bar);
        this.CONSUME1(T.Text, { LABEL: "step" });
      });
    });
    this.CONSUME(T.Colon);
    this.SUBRULE(this.type);
    this.OPTION1(() => {
      this.CONSUME(T.Equal);
      this.SUBRULE(this.expression);
    });
  });

  readonly dim: Rule = this.RULE("dim", () => {
    this.CONSUME(T.Dim);
    this.CONSUME(T.Name);
    this.CONSUME(T.Equal);
    this.SUBRULE(this.expression);
  });

  readonly let: Rule = this.RULE("let", () => {
    this.CONSUME(T.Let);
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.Name) },
        {
          ALT: () => {
            this.CONSUME(T.LParen);
            this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.CONSUME1(T.Name) });
            this.CONSUME(T.RParen);
          },
        },
      ],
      ERR_MSG: "a name",
    });
    this.CONSUME(T.Equal);
    this.SUBRULE(this.expression);
  });

  readonly output: Rule = this.RULE("output", () => {
    this.CONSUME(T.Output);
    this.OPTION(() => this.SUBRULE(this.outputHead));
    this.SUBRULE(this.expression);
  });

  /** `name as "outside": type =`. The first two tokens decide: an output that begins with a label stands in `( )`. */
  readonly outputHead: Rule = this.RULE("outputHead", () => {
    this.CONSUME(T.Name);
    this.OPTION(() => {
      this.CONSUME(T.As);
      this.CONSUME(T.Text);
    });
    this.OPTION1(() => {
      this.CONSUME(T.Colon);
      this.SUBRULE(this.type);
    });
    this.CONSUME(T.Equal);
  });

  // ── Checkpoint maps ──────────────────────────────────────────────────────────────────────────────────────────────────

  readonly map: Rule = this.RULE("map", () => {
    this.CONSUME(T.LBrace);
    this.MANY(() => {
      this.SUBRULE(this.entry);
      this.OPTION(() => this.CONSUME(T.Semicolon));
    });
    this.CONSUME(T.RBrace);
  });

  readonly entry: Rule = this.RULE("entry", () => {
    this.OR({
      DEF: [
        { ALT: () => this.SUBRULE(this.requireEntry) },
        { ALT: () => this.SUBRULE(this.ignoreEntry) },
        { ALT: () => this.SUBRULE(this.prefixEntry) },
        { ALT: () => this.SUBRULE(this.renameEntry) },
        { ALT: () => this.SUBRULE(this.cacheEntry) },
        { ALT: () => this.SUBRULE(this.clientEntry) },
        { ALT: () => this.SUBRULE(this.taskEntry) },
        { ALT: () => this.SUBRULE(this.classEntry) },
        { ALT: () => this.SUBRULE(this.pathEntry) },
      ],
      ERR_MSG: "a line of the map",
    });
  });

  readonly requireEntry: Rule = this.RULE("requireEntry", () => {
    this.CONSUME(T.Require);
    this.SUBRULE(this.condition);
  });

  readonly ignoreEntry: Rule = this.RULE("ignoreEntry", () => {
    this.CONSUME(T.Ignore);
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.CONSUME(T.Text) });
  });

  readonly prefixEntry: Rule = this.RULE("prefixEntry", () => {
    this.CONSUME(T.Prefix);
    this.OPTION(() => this.CONSUME(T.Question));
    this.CONSUME(T.Text);
  });

  readonly renameEntry: Rule = this.RULE("renameEntry", () => {
    this.CONSUME(T.Rename);
    this.CONSUME(T.Text, { LABEL: "from" });
    this.CONSUME(T.FatArrow);
    this.CONSUME1(T.Text, { LABEL: "to" });
  });

  readonly cacheEntry: Rule = this.RULE("cacheEntry", () => {
    this.CONSUME(T.Cache);
    this.SUBRULE(this.path);
    this.CONSUME(T.Equal);
    this.CONSUME(T.Text);
  });

  readonly clientEntry: Rule = this.RULE("clientEntry", () => {
    this.CONSUME(T.Client);
    this.CONSUME(T.Text, { LABEL: "name" });
    this.CONSUME(T.FatArrow);
    this.CONSUME1(T.Text, { LABEL: "type" });
  });

  readonly taskEntry: Rule = this.RULE("taskEntry", () => {
    this.CONSUME(T.Task);
    this.CONSUME(T.Text, { LABEL: "name" });
    this.CONSUME(T.Equal);
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.CONSUME1(T.Text, { LABEL: "row" }) });
  });

  readonly classEntry: Rule = this.RULE("classEntry", () => {
    this.CONSUME(T.Class);
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.CONSUME(T.Text) });
    this.CONSUME(T.FatArrow);
    this.CONSUME(T.Name);
    this.SUBRULE(this.map);
  });

  readonly pathEntry: Rule = this.RULE("pathEntry", () => {
    this.SUBRULE(this.path);
    this.OR({
      DEF: [
        {
          ALT: () => {
            this.CONSUME(T.Equal);
            this.SUBRULE(this.expression);
          },
        },
        {
          ALT: () => {
            this.CONSUME(T.From);
            this.CONSUME(T.Text);
            this.SUBRULE(this.map);
          },
        },
      ],
      ERR_MSG: "`=` or `from`",
    });
  });

  readonly path: Rule = this.RULE("path", () => {
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.EntryName, { LABEL: "head" }) },
        { ALT: () => this.CONSUME(T.Name, { LABEL: "head" }) },
        { ALT: () => this.SUBRULE(this.set, { LABEL: "headSet" }) },
      ],
      ERR_MSG: "a weight's path",
    });
    this.MANY(() => this.SUBRULE(this.pathStep));
  });

  readonly pathStep: Rule = this.RULE("pathStep", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(T.Dot);
          this.OR1({
            DEF: [
              { ALT: () => this.CONSUME(T.Name) },
              { ALT: () => this.CONSUME(T.Star) },
              { ALT: () => this.SUBRULE(this.set) },
            ],
            ERR_MSG: "a name, `*` or `{names}`",
          });
        },
      },
      {
        ALT: () => {
          this.CONSUME(T.LBracket);
          this.SUBRULE(this.expression);
          this.CONSUME(T.RBracket);
        },
      },
    ]);
  });
}
