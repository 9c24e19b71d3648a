import { entry } from "../diagnostic.ts";

export const syntaxCodes = {
} as const;
void entry;
