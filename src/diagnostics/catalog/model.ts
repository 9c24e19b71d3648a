import { entry } from "../diagnostic.ts";

export const modelCodes = {
} as const;
void entry;
