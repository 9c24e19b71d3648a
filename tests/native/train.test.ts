/** Training on libtensorflow, where it is installed (`npm run test:native`): an oracle for the other backends. */
import { test } from "vitest";
import { nativeTfjs, noNative } from "../support/tfjs-native.ts";
import { trainingTests } from "../support/training.ts";

if (nativeTfjs) trainingTests(async () => nativeTfjs!, ["tensorflow"]);
else test.skip(`not tested: ${noNative}`, () => undefined);
