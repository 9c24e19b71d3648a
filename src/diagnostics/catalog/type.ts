import { entry } from "../diagnostic.ts";

export const typeCodes = {
} as const;
void entry;
