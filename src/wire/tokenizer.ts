/**
 * Which tokenizer counts the prompts of a target, as people write it and as it is known of models. What a reader would
 * get wrong: a model that is not known to have a published tokenizer is counted by bytes, since a count that falls short
 * would be overspent.
 */
import Type from 'typebox';
import type { Tokenizer } from '../call.ts';

export const tokenizerFields = {
  tokenizer: Type.Optional(
    Type.Enum(['bytes', 'o200k_base', 'cl100k_base'], {
      description:
        'What counts a prompt before it is sent: a published tokenizer, or `bytes`, an upper bound for every model. Left out: the one that OpenAI publishes for a model of this name, else bytes.',
    }),
  ),
  tokenizer_margin_percent: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 1_000,
      description:
        'What is added to the count, where the model has a tokenizer that counts more than the one named here; never more than the bytes.',
    }),
  ),
};

/** Names as OpenAI publishes them with their encodings, October 2026; a deployment of that name counts as the model. */
const published: readonly (readonly [RegExp, Tokenizer['encoding']])[] = [
  [/^(?:gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|chatgpt-4o|gpt-oss|codex-mini|o[134])(?:[-.:]|$)/, 'o200k_base'],
  [/^(?:gpt-4|gpt-3\.5|text-embedding-3|text-embedding-ada)(?:[-.:]|$)/, 'cl100k_base'],
];

const ofPublished = ['openai', 'azure'];

interface Counted {
  readonly provider: string;
  readonly model: string;
  readonly tokenizer?: 'bytes' | Tokenizer['encoding'];
  readonly tokenizer_margin_percent?: number;
}

/** The tokenizer of a target; undefined where its prompts are counted by bytes. */
export function tokenizerOf(target: Counted): Tokenizer | undefined {
  const { provider, model, tokenizer, tokenizer_margin_percent: marginPercent = 0 } = target;
  if (tokenizer === 'bytes') return undefined;
  if (tokenizer !== undefined) return { encoding: tokenizer, marginPercent };
  if (!ofPublished.includes(provider)) return undefined;
  const found = published.find(([names]) => names.test(model));
  return found === undefined ? undefined : { encoding: found[1], marginPercent };
}
