/** Anthropic itself, and every server with its API at another URL. */
import { asItIs, type Provider } from './provider.ts';

export const anthropic: Provider = { name: 'anthropic', ...asItIs };
