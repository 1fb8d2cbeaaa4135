/** The providers there are. A member is a file with one `Provider`. */
import type { Target } from '../../call.ts';
import { anthropic } from './anthropic.ts';
import { azure } from './azure.ts';
import { bedrock } from './bedrock.ts';
import { openai } from './openai.ts';
import { asItIs, type Provider } from './provider.ts';
import { vertex } from './vertex.ts';

export type { Provider, ProviderAnswer } from './provider.ts';

export const providers: readonly Provider[] = [openai, azure, anthropic, bedrock, vertex];

/** How the provider of `target` is spoken to; what is no model is spoken to as its document says. */
export function providerOf({ kind, provider }: Target): Omit<Provider, 'name'> {
  return (kind === 'model' ? providers.find(({ name }) => name === provider) : undefined) ?? asItIs;
}
