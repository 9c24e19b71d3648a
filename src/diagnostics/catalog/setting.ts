import { entry } from "../diagnostic.ts";

export const settingCodes = {
} as const;
void entry;
