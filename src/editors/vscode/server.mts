/** @file The server that the extension brings along: `tfm lsp`, without the other commands. */
import { lsp } from "../../cli/commands/lsp.ts";

process.exit(await lsp());
