import { entry } from "../diagnostic.ts";

export const cliCodes = {
} as const;
void entry;
