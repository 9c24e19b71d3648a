/** @file The types of the concrete syntax tree. Generated from `parser.ts`: `UPDATE=1 npx vitest run --config tests/vitest.config.ts tests/unit/syntax-grammar.test.ts`. */
import type { CstNode, IToken } from "chevrotain";

export interface BindingCstNode extends CstNode {
  name: "binding";
  children: BindingCstChildren;
}

export type BindingCstChildren = {
  Name: IToken[];
  InOperator: IToken[];
  postfix: (PostfixCstNode)[];
  DotDot?: IToken[];
};

export interface ConditionCstNode extends CstNode {
  name: "condition";
  children: ConditionCstChildren;
}

export type ConditionCstChildren = {
  expression: (ExpressionCstNode)[];
  Equal?: IToken[];
};

export interface ExpressionCstNode extends CstNode {
  name: "expression";
  children: ExpressionCstChildren;
}

export type ExpressionCstChildren = {
  operator?: (IToken)[];
  operand?: (OperandCstNode)[];
};

export interface OperandCstNode extends CstNode {
  name: "operand";
  children: OperandCstChildren;
}

export type OperandCstChildren = {
  sign?: (IToken)[];
  stage: StageCstNode[];
};

export interface StageCstNode extends CstNode {
  name: "stage";
  children: StageCstChildren;
}

export type StageCstChildren = {
  Name?: IToken[];
  Colon?: IToken[];
  postfix: PostfixCstNode[];
};

export interface PostfixCstNode extends CstNode {
  name: "postfix";
  children: PostfixCstChildren;
}

export type PostfixCstChildren = {
  New?: IToken[];
  primary: PrimaryCstNode[];
  suffix?: SuffixCstNode[];
};

export interface SuffixCstNode extends CstNode {
  name: "suffix";
  children: SuffixCstChildren;
}

export type SuffixCstChildren = {
  Dot?: IToken[];
  Name?: IToken[];
  set?: SetCstNode[];
  parens?: ParensCstNode[];
  brackets?: BracketsCstNode[];
  fillers?: FillersCstNode[];
  RepeatN?: IToken[];
  RepeatX?: IToken[];
  LBrace?: IToken[];
  expression?: ExpressionCstNode[];
  RBrace?: IToken[];
};

export interface ParensCstNode extends CstNode {
  name: "parens";
  children: ParensCstChildren;
}

export type ParensCstChildren = {
  LParen: IToken[];
  arg?: ArgCstNode[];
  Comma?: IToken[];
  RParen: IToken[];
};

export interface BracketsCstNode extends CstNode {
  name: "brackets";
  children: BracketsCstChildren;
}

export type BracketsCstChildren = {
  LBracket: IToken[];
  arg?: ArgCstNode[];
  Comma?: IToken[];
  RBracket: IToken[];
};

export interface ArgCstNode extends CstNode {
  name: "arg";
  children: ArgCstChildren;
}

export type ArgCstChildren = {
  Ellipsis?: IToken[];
  Name?: IToken[];
  Equal?: IToken[];
  expression?: (ExpressionCstNode)[];
};

export interface FillersCstNode extends CstNode {
  name: "fillers";
  children: FillersCstChildren;
}

export type FillersCstChildren = {
  SlotOpen: IToken[];
  slotArg?: SlotArgCstNode[];
  Comma?: IToken[];
  SlotClose: IToken[];
};

export interface SlotArgCstNode extends CstNode {
  name: "slotArg";
  children: SlotArgCstChildren;
}

export type SlotArgCstChildren = {
  Ellipsis?: IToken[];
  Name?: IToken[];
  Equal?: IToken[];
  filler?: (FillerCstNode)[];
};

export interface FillerCstNode extends CstNode {
  name: "filler";
  children: FillerCstChildren;
}

export type FillerCstChildren = {
  stage: StageCstNode[];
  Arrow?: IToken[];
};

export interface PrimaryCstNode extends CstNode {
  name: "primary";
  children: PrimaryCstChildren;
}

export type PrimaryCstChildren = {
  atom?: (IToken)[];
  parens?: ParensCstNode[];
  set?: SetCstNode[];
  list?: ListCstNode[];
  if?: IfCstNode[];
  match?: MatchCstNode[];
};

export interface ListCstNode extends CstNode {
  name: "list";
  children: ListCstChildren;
}

export type ListCstChildren = {
  LBracket?: IToken[];
  For?: IToken[];
  binding?: BindingCstNode[];
  Colon?: IToken[];
  expression?: ExpressionCstNode[];
  RBracket?: IToken[];
  brackets?: BracketsCstNode[];
};

export interface IfCstNode extends CstNode {
  name: "if";
  children: IfCstChildren;
}

export type IfCstChildren = {
  If: IToken[];
  condition: ConditionCstNode[];
  Then: IToken[];
  then: ExpressionCstNode[];
  Else: IToken[];
  else: ExpressionCstNode[];
};

export interface MatchCstNode extends CstNode {
  name: "match";
  children: MatchCstChildren;
}

export type MatchCstChildren = {
  Match: IToken[];
  expression: ExpressionCstNode[];
  LBrace: IToken[];
  arm?: ArmCstNode[];
  RBrace: IToken[];
};

export interface ArmCstNode extends CstNode {
  name: "arm";
  children: ArmCstChildren;
}

export type ArmCstChildren = {
  pattern: PatternCstNode[];
  Bar?: IToken[];
  FatArrow: IToken[];
  expression: ExpressionCstNode[];
  Comma?: IToken[];
};

export interface PatternCstNode extends CstNode {
  name: "pattern";
  children: PatternCstChildren;
}

export type PatternCstChildren = {
  atom?: (IToken)[];
};

export interface SetCstNode extends CstNode {
  name: "set";
  children: SetCstChildren;
}

export type SetCstChildren = {
  LBrace: IToken[];
  item?: (IToken)[];
  Comma?: IToken[];
  RBrace: IToken[];
};

export interface ParamsCstNode extends CstNode {
  name: "params";
  children: ParamsCstChildren;
}

export type ParamsCstChildren = {
  LParen: IToken[];
  param?: ParamCstNode[];
  Comma?: IToken[];
  RParen: IToken[];
};

export interface GivenCstNode extends CstNode {
  name: "given";
  children: GivenCstChildren;
}

export type GivenCstChildren = {
  Given: IToken[];
  param: ParamCstNode[];
  Comma?: IToken[];
};

export interface ParamCstNode extends CstNode {
  name: "param";
  children: ParamCstChildren;
}

export type ParamCstChildren = {
  Ellipsis?: IToken[];
  Name?: IToken[];
  Colon?: IToken[];
  type?: TypeCstNode[];
  Equal?: IToken[];
  expression?: ExpressionCstNode[];
};

export interface SlotsCstNode extends CstNode {
  name: "slots";
  children: SlotsCstChildren;
}

export type SlotsCstChildren = {
  SlotOpen: IToken[];
  slot?: SlotCstNode[];
  Comma?: IToken[];
  SlotClose: IToken[];
};

export interface SlotCstNode extends CstNode {
  name: "slot";
  children: SlotCstChildren;
}

export type SlotCstChildren = {
  Ellipsis?: IToken[];
  Name?: IToken[];
  Question?: IToken[];
  Colon?: IToken[];
  role?: IToken[];
  Equal?: IToken[];
  filler?: FillerCstNode[];
};

export interface TypeCstNode extends CstNode {
  name: "type";
  children: TypeCstChildren;
}

export type TypeCstChildren = {
  base?: (IToken)[];
  axes?: (AxesCstNode)[];
  Question?: IToken[];
  Bar?: IToken[];
  alternative?: IToken[];
};

export interface AxesCstNode extends CstNode {
  name: "axes";
  children: AxesCstChildren;
}

export type AxesCstChildren = {
  LBracket: IToken[];
  axis?: AxisCstNode[];
  Comma?: IToken[];
  RBracket: IToken[];
};

export interface AxisCstNode extends CstNode {
  name: "axis";
  children: AxisCstChildren;
}

export type AxisCstChildren = {
  Ellipsis?: IToken[];
  Name?: (IToken)[];
  As?: IToken[];
  Text?: IToken[];
  Equal?: IToken[];
  expression?: (ExpressionCstNode)[];
};

export interface BodyCstNode extends CstNode {
  name: "body";
  children: BodyCstChildren;
}

export type BodyCstChildren = {
  LBrace: IToken[];
  statement?: StatementCstNode[];
  Semicolon?: IToken[];
  RBrace: IToken[];
};

export interface StatementCstNode extends CstNode {
  name: "statement";
  children: StatementCstChildren;
}

export type StatementCstChildren = {
  tensor?: TensorCstNode[];
  dim?: DimCstNode[];
  let?: LetCstNode[];
  output?: OutputCstNode[];
};

export interface TensorCstNode extends CstNode {
  name: "tensor";
  children: TensorCstChildren;
}

export type TensorCstChildren = {
  word?: (IToken)[];
  Name: IToken[];
  As?: IToken[];
  Text?: IToken[];
  Bar?: IToken[];
  step?: IToken[];
  Colon: IToken[];
  type: TypeCstNode[];
  Equal?: IToken[];
  expression?: ExpressionCstNode[];
};

export interface DimCstNode extends CstNode {
  name: "dim";
  children: DimCstChildren;
}

export type DimCstChildren = {
  Dim: IToken[];
  Name: IToken[];
  Equal: IToken[];
  expression: ExpressionCstNode[];
};

export interface LetCstNode extends CstNode {
  name: "let";
  children: LetCstChildren;
}

export type LetCstChildren = {
  Let: IToken[];
  Name?: (IToken)[];
  LParen?: IToken[];
  Comma?: IToken[];
  RParen?: IToken[];
  Equal: IToken[];
  expression: ExpressionCstNode[];
};

export interface OutputCstNode extends CstNode {
  name: "output";
  children: OutputCstChildren;
}

export type OutputCstChildren = {
  Output: IToken[];
  outputHead?: OutputHeadCstNode[];
  expression: ExpressionCstNode[];
};

export interface OutputHeadCstNode extends CstNode {
  name: "outputHead";
  children: OutputHeadCstChildren;
}

export type OutputHeadCstChildren = {
  Name: IToken[];
  As?: IToken[];
  Text?: IToken[];
  Colon?: IToken[];
  type?: TypeCstNode[];
  Equal: IToken[];
};

export interface MapCstNode extends CstNode {
  name: "map";
  children: MapCstChildren;
}

export type MapCstChildren = {
  LBrace: IToken[];
  entry?: EntryCstNode[];
  Semicolon?: IToken[];
  RBrace: IToken[];
};

export interface EntryCstNode extends CstNode {
  name: "entry";
  children: EntryCstChildren;
}

export type EntryCstChildren = {
  requireEntry?: RequireEntryCstNode[];
  ignoreEntry?: IgnoreEntryCstNode[];
  prefixEntry?: PrefixEntryCstNode[];
  renameEntry?: RenameEntryCstNode[];
  cacheEntry?: CacheEntryCstNode[];
  clientEntry?: ClientEntryCstNode[];
  taskEntry?: TaskEntryCstNode[];
  classEntry?: ClassEntryCstNode[];
  pathEntry?: PathEntryCstNode[];
};

export interface RequireEntryCstNode extends CstNode {
  name: "requireEntry";
  children: RequireEntryCstChildren;
}

export type RequireEntryCstChildren = {
  Require: IToken[];
  condition: ConditionCstNode[];
};

export interface IgnoreEntryCstNode extends CstNode {
  name: "ignoreEntry";
  children: IgnoreEntryCstChildren;
}

export type IgnoreEntryCstChildren = {
  Ignore: IToken[];
  Text: IToken[];
  Comma?: IToken[];
};

export interface PrefixEntryCstNode extends CstNode {
  name: "prefixEntry";
  children: PrefixEntryCstChildren;
}

export type PrefixEntryCstChildren = {
  Prefix: IToken[];
  Question?: IToken[];
  Text: IToken[];
};

export interface RenameEntryCstNode extends CstNode {
  name: "renameEntry";
  children: RenameEntryCstChildren;
}

export type RenameEntryCstChildren = {
  Rename: IToken[];
  from: IToken[];
  FatArrow: IToken[];
  to: IToken[];
};

export interface CacheEntryCstNode extends CstNode {
  name: "cacheEntry";
  children: CacheEntryCstChildren;
}

export type CacheEntryCstChildren = {
  Cache: IToken[];
  path: PathCstNode[];
  Equal: IToken[];
  Text: IToken[];
};

export interface ClientEntryCstNode extends CstNode {
  name: "clientEntry";
  children: ClientEntryCstChildren;
}

export type ClientEntryCstChildren = {
  Client: IToken[];
  name: IToken[];
  FatArrow: IToken[];
  type: IToken[];
};

export interface TaskEntryCstNode extends CstNode {
  name: "taskEntry";
  children: TaskEntryCstChildren;
}

export type TaskEntryCstChildren = {
  Task: IToken[];
  name: IToken[];
  Equal: IToken[];
  row: IToken[];
  Comma?: IToken[];
};

export interface ClassEntryCstNode extends CstNode {
  name: "classEntry";
  children: ClassEntryCstChildren;
}

export type ClassEntryCstChildren = {
  Class: IToken[];
  Text: IToken[];
  Comma?: IToken[];
  FatArrow: IToken[];
  Name: IToken[];
  map: MapCstNode[];
};

export interface PathEntryCstNode extends CstNode {
  name: "pathEntry";
  children: PathEntryCstChildren;
}

export type PathEntryCstChildren = {
  path: PathCstNode[];
  Equal?: IToken[];
  expression?: ExpressionCstNode[];
  From?: IToken[];
  Text?: IToken[];
  map?: MapCstNode[];
};

export interface PathCstNode extends CstNode {
  name: "path";
  children: PathCstChildren;
}

export type PathCstChildren = {
  head?: (IToken)[];
  headSet?: SetCstNode[];
  pathStep?: PathStepCstNode[];
};

export interface PathStepCstNode extends CstNode {
  name: "pathStep";
  children: PathStepCstChildren;
}

export type PathStepCstChildren = {
  Dot?: IToken[];
  Name?: IToken[];
  Star?: IToken[];
  set?: SetCstNode[];
  LBracket?: IToken[];
  expression?: ExpressionCstNode[];
  RBracket?: IToken[];
};

export interface FileCstNode extends CstNode {
  name: "file";
  children: FileCstChildren;
}

export type FileCstChildren = {
  declaration?: DeclarationCstNode[];
  Semicolon?: IToken[];
};

export interface BareCstNode extends CstNode {
  name: "bare";
  children: BareCstChildren;
}

export type BareCstChildren = {
  expression: ExpressionCstNode[];
};

export interface DeclarationCstNode extends CstNode {
  name: "declaration";
  children: DeclarationCstChildren;
}

export type DeclarationCstChildren = {
  use?: UseCstNode[];
  model?: ModelCstNode[];
  objective?: ObjectiveCstNode[];
  block?: BlockCstNode[];
  op?: OpCstNode[];
  checkpoint?: CheckpointCstNode[];
  law?: LawCstNode[];
  rewrite?: RewriteCstNode[];
};

export interface UseCstNode extends CstNode {
  name: "use";
  children: UseCstChildren;
}

export type UseCstChildren = {
  Use: IToken[];
  Text?: IToken[];
  Name?: IToken[];
  Dot?: IToken[];
};

export interface ModelCstNode extends CstNode {
  name: "model";
  children: ModelCstChildren;
}

export type ModelCstChildren = {
  Model: IToken[];
  Name: IToken[];
  params?: ParamsCstNode[];
  Extends?: IToken[];
  base?: IToken[];
  Over?: IToken[];
  over?: IToken[];
  Grows?: IToken[];
  grows?: IToken[];
  meaning: MeaningCstNode[];
};

export interface ObjectiveCstNode extends CstNode {
  name: "objective";
  children: ObjectiveCstChildren;
}

export type ObjectiveCstChildren = {
  Objective: IToken[];
  Name: IToken[];
  params?: ParamsCstNode[];
  For: IToken[];
  base: IToken[];
  body: BodyCstNode[];
};

export interface BlockCstNode extends CstNode {
  name: "block";
  children: BlockCstChildren;
}

export type BlockCstChildren = {
  Block: IToken[];
  Name: IToken[];
  params?: ParamsCstNode[];
  slots?: SlotsCstNode[];
  Colon?: IToken[];
  role?: IToken[];
  given?: GivenCstNode[];
  meaning: MeaningCstNode[];
};

export interface OpCstNode extends CstNode {
  name: "op";
  children: OpCstChildren;
}

export type OpCstChildren = {
  Op: IToken[];
  Name: IToken[];
  params?: ParamsCstNode[];
  given?: GivenCstNode[];
  meaning: MeaningCstNode[];
};

export interface CheckpointCstNode extends CstNode {
  name: "checkpoint";
  children: CheckpointCstChildren;
}

export type CheckpointCstChildren = {
  Checkpoint: IToken[];
  For: IToken[];
  Name: IToken[];
  When?: IToken[];
  condition?: ConditionCstNode[];
  map: MapCstNode[];
};

export interface LawCstNode extends CstNode {
  name: "law";
  children: LawCstChildren;
}

export type LawCstChildren = {
  Law: IToken[];
  Text: IToken[];
  params?: ParamsCstNode[];
  For?: IToken[];
  binding?: BindingCstNode[];
  Comma?: IToken[];
  LBrace: IToken[];
  condition: ConditionCstNode[];
  wheres?: WheresCstNode[];
  RBrace: IToken[];
};

export interface RewriteCstNode extends CstNode {
  name: "rewrite";
  children: RewriteCstChildren;
}

export type RewriteCstChildren = {
  Rewrite: IToken[];
  Text: IToken[];
  params?: ParamsCstNode[];
  When?: IToken[];
  condition?: ConditionCstNode[];
  LBrace: IToken[];
  left: ExpressionCstNode[];
  FatArrow: IToken[];
  right: ExpressionCstNode[];
  wheres?: WheresCstNode[];
  RBrace: IToken[];
};

export interface WheresCstNode extends CstNode {
  name: "wheres";
  children: WheresCstChildren;
}

export type WheresCstChildren = {
  Where: IToken[];
  where: WhereCstNode[];
  Comma?: IToken[];
};

export interface WhereCstNode extends CstNode {
  name: "where";
  children: WhereCstChildren;
}

export type WhereCstChildren = {
  path: PathCstNode[];
  Equal: IToken[];
  expression: ExpressionCstNode[];
};

export interface MeaningCstNode extends CstNode {
  name: "meaning";
  children: MeaningCstChildren;
}

export type MeaningCstChildren = {
  Equal?: IToken[];
  expression?: ExpressionCstNode[];
  body?: BodyCstNode[];
};
