export const run: any = 0;
