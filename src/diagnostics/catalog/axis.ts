import { entry } from "../diagnostic.ts";

export const axisCodes = {
} as const;
void entry;
