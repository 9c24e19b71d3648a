/** @file A conversation as the text that a model was trained to go on from: the tokenizer's chat template, in Jinja. */
import type { Tokenizer } from "./tokenizer.ts";

export interface Message {
  readonly role: string;
  readonly content: string;
}

/** The text of a conversation, up to where the answer begins; `reason` where there is no template, or it refuses. */
export async function chatText(
  messages: readonly Message[],
  { chat }: Tokenizer,
): Promise<{ readonly text: string } | { readonly reason: string }> {
  if (!chat) return { reason: "its tokenizer has no chat template" };
  // Loaded only for conversations: it is a third of what generating in a browser needs.
  const { Template } = await import("@huggingface/jinja");
  try {
    const text = new Template(chat.template).render({
      ...chat.tokens,
      messages,
      add_generation_prompt: true,
    }) as string;
    return { text };
  } catch (e) {
    return { reason: `its chat template says: ${e instanceof Error ? e.message.split("\n")[0]! : String(e)}` };
  }
}
