import { entry } from "../diagnostic.ts";

export const artifactCodes = {
} as const;
void entry;
