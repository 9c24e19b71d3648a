/** @file Every code of every phase, in one typed record. */
import { artifactCodes } from "./artifact.ts";
import { axisCodes } from "./axis.ts";
import { cliCodes } from "./cli.ts";
import { clientCodes } from "./client.ts";
import { configCodes } from "./config.ts";
import { generateCodes } from "./generate.ts";
import { lawCodes } from "./law.ts";
import { modelCodes } from "./model.ts";
import { nameCodes } from "./name.ts";
import { rewriteCodes } from "./rewrite.ts";
import { settingCodes } from "./setting.ts";
import { syntaxCodes } from "./syntax.ts";
import { typeCodes } from "./type.ts";
import { weightCodes } from "./weight.ts";

export const catalog = {
  ...syntaxCodes,
  ...nameCodes,
  ...settingCodes,
  ...axisCodes,
  ...typeCodes,
  ...modelCodes,
  ...lawCodes,
  ...rewriteCodes,
  ...configCodes,
  ...weightCodes,
  ...artifactCodes,
  ...clientCodes,
  ...generateCodes,
  ...cliCodes,
} as const;
