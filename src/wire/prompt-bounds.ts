/**
 * The bound of a prompt from its parts. A token of a byte-level tokenizer is at least one byte, so the UTF-8 bytes of
 * all text that becomes prompt are never less than its tokens, whichever model reads it.
 */
import type { ModelAsk, PromptParts } from '../call.ts';

export type PromptBounds = Required<Pick<ModelAsk, 'promptTokensMax' | 'prompt'>>;

/** The parts, with the bound that holds for every tokenizer. */
export function promptBounds(prompt: PromptParts): PromptBounds {
  let promptTokensMax = prompt.otherTokens;
  for (const text of prompt.texts) promptTokensMax += Buffer.byteLength(text);
  return { promptTokensMax, prompt };
}
