/** @file The rules of expressions, on which all others stand. */
import { CstParser, type CstNode, type ParserMethod } from "chevrotain";
import { errorMessageProvider } from "./messages.ts";
import * as T from "./tokens.ts";

export type Rule = ParserMethod<[], CstNode>;

export class ExpressionRules extends CstParser {
  constructor(validate: boolean) {
    super([...T.vocabulary], {
      errorMessageProvider,
      recoveryEnabled: true,
      maxLookahead: 2,
      nodeLocationTracking: "onlyOffset",
      skipValidations: !validate,
    });
  }

  readonly binding: Rule = this.RULE("binding", () => {
    this.CONSUME(T.Name);
    this.CONSUME(T.InOperator);
    this.SUBRULE(this.postfix);
    this.OPTION(() => {
      this.CONSUME(T.DotDot);
      this.SUBRULE1(this.postfix);
    });
  });

  readonly condition: Rule = this.RULE("condition", () => {
    this.SUBRULE(this.expression);
    this.OPTION(() => {
      this.CONSUME(T.Equal);
      this.SUBRULE1(this.expression);
    });
  });

  readonly expression: Rule = this.RULE("expression", () => {
    this.OR({
      DEF: [
        {
          ALT: () => {
            this.CONSUME(T.DotDot, { LABEL: "operator" });
            this.SUBRULE(this.operand);
          },
        },
        { ALT: () => this.SUBRULE1(this.operand) },
      ],
      ERR_MSG: "a value",
    });
    this.MANY(() => {
      this.OR1([
        {
          ALT: () => {
            this.CONSUME(T.Infix, { LABEL: "operator" });
            this.SUBRULE2(this.operand);
          },
        },
        {
          ALT: () => {
            this.CONSUME1(T.DotDot, { LABEL: "operator" });
            this.OPTION(() => this.SUBRULE3(this.operand));
          },
        },
      ]);
    });
  });

  readonly operand: Rule = this.RULE("operand", () => {
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(T.Minus, { LABEL: "sign" }) },
        { ALT: () => this.CONSUME(T.Not, { LABEL: "sign" }) },
      ]);
    });
    this.SUBRULE(this.stage);
  });

  readonly stage: Rule = this.RULE("stage", () => {
    this.OPTION(() => {
      this.CONSUME(T.Name);
      this.CONSUME(T.Colon);
    });
    this.SUBRULE(this.postfix);
  });

  readonly postfix: Rule = this.RULE("postfix", () => {
    this.OPTION(() => this.CONSUME(T.New));
    this.SUBRULE(this.primary);
    this.MANY(() => this.SUBRULE(this.suffix));
  });

  readonly suffix: Rule = this.RULE("suffix", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(T.Dot);
          this.OR1({
            DEF: [{ ALT: () => this.CONSUME(T.Name) }, { ALT: () => this.SUBRULE(this.set) }],
            ERR_MSG: "a name or `{names}`",
          });
        },
      },
      { ALT: () => this.SUBRULE(this.parens) },
      { ALT: () => this.SUBRULE(this.brackets) },
      { ALT: () => this.SUBRULE(this.fillers) },
      { ALT: () => this.CONSUME(T.RepeatN) },
      {
        ALT: () => {
          this.CONSUME(T.RepeatX);
          this.CONSUME(T.LBrace);
          this.SUBRULE(this.expression);
          this.CONSUME(T.RBrace);
        },
      },
    ]);
  });

  readonly parens: Rule = this.RULE("parens", () => {
    this.CONSUME(T.LParen);
    this.MANY(() => {
      this.SUBRULE(this.arg);
      this.OPTION(() => this.CONSUME(T.Comma));
    });
    this.CONSUME(T.RParen);
  });

  readonly brackets: Rule = this.RULE("brackets", () => {
    this.CONSUME(T.LBracket);
    this.MANY(() => {
      this.SUBRULE(this.arg);
      this.OPTION(() => this.CONSUME(T.Comma));
    });
    this.CONSUME(T.RBracket);
  });

  readonly arg: Rule = this.RULE("arg", () => {
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.Ellipsis) },
        {
          ALT: () => {
            this.CONSUME(T.Name);
            this.CONSUME(T.Equal);
            this.SUBRULE(this.expression);
          },
        },
        { ALT: () => this.SUBRULE1(this.expression) },
      ],
      ERR_MSG: "a value",
    });
  });

  readonly fillers: Rule = this.RULE("fillers", () => {
    this.CONSUME(T.SlotOpen);
    this.MANY(() => {
      this.SUBRULE(this.slotArg);
      this.OPTION(() => this.CONSUME(T.Comma));
    });
    this.CONSUME(T.SlotClose);
  });

  readonly slotArg: Rule = this.RULE("slotArg", () => {
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.Ellipsis) },
        {
          ALT: () => {
            this.CONSUME(T.Name);
            this.CONSUME(T.Equal);
            this.SUBRULE(this.filler);
          },
        },
        { ALT: () => this.SUBRULE1(this.filler) },
      ],
      ERR_MSG: "a block for a slot",
    });
  });

  readonly filler: Rule = this.RULE("filler", () => {
    this.AT_LEAST_ONE_SEP({ SEP: T.Arrow, DEF: () => this.SUBRULE(this.stage) });
  });

  readonly primary: Rule = this.RULE("primary", () => {
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.Name, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.NumberWord, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.Text, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.True, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.False, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.None, { LABEL: "atom" }) },
        { ALT: () => this.SUBRULE(this.parens) },
        { ALT: () => this.SUBRULE(this.set) },
        { ALT: () => this.SUBRULE(this.list) },
        { ALT: () => this.SUBRULE(this.if) },
        { ALT: () => this.SUBRULE(this.match) },
      ],
      ERR_MSG: "a value",
    });
  });

  readonly list: Rule = this.RULE("list", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(T.LBracket);
          this.CONSUME(T.For);
          this.SUBRULE(this.binding);
          this.CONSUME(T.Colon);
          this.SUBRULE(this.expression);
          this.CONSUME(T.RBracket);
        },
      },
      { ALT: () => this.SUBRULE(this.brackets) },
    ]);
  });

  readonly if: Rule = this.RULE("if", () => {
    this.CONSUME(T.If);
    this.SUBRULE(this.condition);
    this.CONSUME(T.Then);
    this.SUBRULE(this.expression, { LABEL: "then" });
    this.CONSUME(T.Else);
    this.SUBRULE1(this.expression, { LABEL: "else" });
  });

  readonly match: Rule = this.RULE("match", () => {
    this.CONSUME(T.Match);
    this.SUBRULE(this.expression);
    this.CONSUME(T.LBrace);
    this.MANY(() => this.SUBRULE(this.arm));
    this.CONSUME(T.RBrace);
  });

  readonly arm: Rule = this.RULE("arm", () => {
    this.AT_LEAST_ONE_SEP({ SEP: T.Bar, DEF: () => this.SUBRULE(this.pattern) });
    this.CONSUME(T.FatArrow);
    this.SUBRULE(this.expression);
    this.OPTION(() => this.CONSUME(T.Comma));
  });

  readonly pattern: Rule = this.RULE("pattern", () => {
    this.OR({
      DEF: [
        { ALT: () => this.CONSUME(T.Name, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.NumberWord, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.Text, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.True, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.False, { LABEL: "atom" }) },
        { ALT: () => this.CONSUME(T.None, { LABEL: "atom" }) },
      ],
      ERR_MSG: "a pattern (a name, a number, a text, `true`, `false`, `none`)",
    });
  });

  readonly set: Rule = this.RULE("set", () => {
    this.CONSUME(T.LBrace);
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        this.OR({
          DEF: [
            { ALT: () => this.CONSUME(T.Name, { LABEL: "item" }) },
            { ALT: () => this.CONSUME(T.NumberWord, { LABEL: "item" }) },
          ],
          ERR_MSG: "a name or a number",
        });
      },
      ERR_MSG: "a name or a number",
    });
    this.CONSUME(T.RBrace);
  });
}
