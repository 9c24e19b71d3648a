import { entry } from "../diagnostic.ts";

export const configCodes = {
} as const;
void entry;
