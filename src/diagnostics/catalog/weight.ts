import { entry } from "../diagnostic.ts";

export const weightCodes = {
} as const;
void entry;
