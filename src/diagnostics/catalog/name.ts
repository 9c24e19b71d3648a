import { entry } from "../diagnostic.ts";

export const nameCodes = {
} as const;
void entry;
