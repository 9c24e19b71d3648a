/**
 * @file The grammar, as a chevrotain parser that builds a concrete syntax tree and does nothing else: no actions, no gates,
 * no backtracking, two tokens of lookahead. `grammar.ebnf` has the same rules to read; `classify` has prepared the tokens.
 *
 * Lists take their commas as optional (a missing separator would cost the parser half a block); `syntax` reports the
 * missing ones afterwards. What an expression's operators bind is settled afterwards too: here it is flat.
 */
import type { Rule } from "./expression-rules.ts";
import { LineRules } from "./line-rules.ts";
import * as T from "./tokens.ts";

export class TfmParser extends LineRules {
  /** `validate`: have chevrotain look for ambiguities, which costs start-up time and is left to a test. */
  constructor(validate = false) {
    super(validate);
    this.performSelfAnalysis();
  }

  readonly file: Rule = this.RULE("file", () => {
    this.MANY(() => {
      this.SUBRULE(this.declaration);
      this.OPTION(() => this.CONSUME(T.Semicolon));
    });
  });

  /** A text without declarations: one expression. */
  readonly bare: Rule = this.RULE("bare", () => {
    this.SUBRULE(this.expression);
  });

  readonly declaration: Rule = this.RULE("declaration", () => {
    this.OR({
      DEF: [
        { ALT: () => this.SUBRULE(this.use) },
        { ALT: () => this.SUBRULE(this.model) },
        { ALT: () => this.SUBRULE(this.objective) },
        { ALT: () => this.SUBRULE(this.block) },
        { ALT: () => this.SUBRULE(this.op) },
        { ALT: () => this.SUBRULE(this.checkpoint) },
        { ALT: () => this.SUBRULE(this.law) },
        { ALT: () => this.SUBRULE(this.rewrite) },
      ],
      ERR_MSG: "a declaration",
    });
  });

  readonly use: Rule = this.RULE("use", () => {
    this.CONSUME(T.Use);
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.Text) },
        { ALT: () => this.AT_LEAST_ONE_SEP({ SEP: T.Dot, DEF: () => this.CONSUME(T.Name) }) },
      ],
      ERR_MSG: "a file in quotes or a module's name",
    });
  });

  readonly model: Rule = this.RULE("model", () => {
    this.CONSUME(T.Model);
    this.CONSUME(T.Name);
    this.OPTION(() => this.SUBRULE(this.params));
    this.OPTION1(() => {
      this.CONSUME(T.Extends);
      this.CONSUME1(T.Name, { LABEL: "base" });
      this.OPTION2(() => {
        this.CONSUME(T.Over);
        this.CONSUME2(T.Name, { LABEL: "over" });
      });
    });
    this.OPTION3(() => {
      this.CONSUME(T.Grows);
      this.CONSUME3(T.Name, { LABEL: "grows" });
    });
    this.SUBRULE(this.meaning);
  });

  readonly objective: Rule = this.RULE("objective", () => {
    this.CONSUME(T.Objective);
    this.CONSUME(T.Name);
    this.OPTION(() => this.SUBRULE(this.params));
    this.CONSUME(T.For);
    this.CONSUME1(T.Name, { LABEL: "base" });
    this.SUBRULE(this.body);
  });

  readonly block: Rule = this.RULE("block", () => {
    this.CONSUME(T.Block);
    this.CONSUME(T.Name);
    this.OPTION(() => this.SUBRULE(this.params));
    this.OPTION1(() => this.SUBRULE(this.slots));
    this.OPTION2(() => {
      this.CONSUME(T.Colon);
      this.CONSUME1(T.Name, { LABEL: "role" });
    });
    this.OPTION3(() => this.SUBRULE(this.given));
    this.SUBRULE(this.meaning);
  });

  readonly op: Rule = this.RULE("op", () => {
    this.CONSUME(T.Op);
    this.CONSUME(T.Name);
    this.MANY(() => this.SUBRULE(this.params));
    this.OPTION(() => this.SUBRULE(this.given));
    this.SUBRULE(this.meaning);
  });

  readonly checkpoint: Rule = this.RULE("checkpoint", () => {
    this.CONSUME(T.Checkpoint);
    this.CONSUME(T.For);
    this.CONSUME(T.Name);
    this.OPTION(() => {
      this.CONSUME(T.When);
      this.SUBRULE(this.condition);
    });
    this.SUBRULE(this.map);
  });

  readonly law: Rule = this.RULE("law", () => {
    this.CONSUME(T.Law);
    this.CONSUME(T.Text);
    this.OPTION(() => this.SUBRULE(this.params));
    this.OPTION1(() => {
      this.CONSUME(T.For);
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.SUBRULE(this.binding) });
    });
    this.CONSUME(T.LBrace);
    this.SUBRULE(this.condition);
    this.OPTION2(() => this.SUBRULE(this.wheres));
    this.CONSUME(T.RBrace);
  });

  readonly rewrite: Rule = this.RULE("rewrite", () => {
    this.CONSUME(T.Rewrite);
    this.CONSUME(T.Text);
    this.OPTION(() => this.SUBRULE(this.params));
    this.OPTION1(() => {
      this.CONSUME(T.When);
      this.SUBRULE(this.condition);
    });
    this.CONSUME(T.LBrace);
    this.SUBRULE(this.expression, { LABEL: "left" });
    this.CONSUME(T.FatArrow);
    this.SUBRULE1(this.expression, { LABEL: "right" });
    this.OPTION2(() => this.SUBRULE(this.wheres));
    this.CONSUME(T.RBrace);
  });

  readonly wheres: Rule = this.RULE("wheres", () => {
    this.CONSUME(T.WhereWord);
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => this.SUBRULE(this.where) });
  });

  readonly where: Rule = this.RULE("where", () => {
    this.SUBRULE(this.path);
    this.CONSUME(T.Equal);
    this.SUBRULE(this.expression);
  });

  readonly meaning: Rule = this.RULE("meaning", () => {
    this.OR({
      DEF: [
        {
          ALT: () => {
            this.CONSUME(T.Equal);
            this.SUBRULE(this.expression);
          },
        },
        { ALT: () => this.SUBRULE(this.body) },
      ],
      ERR_MSG: "`=` or `{`",
    });
  });
}
