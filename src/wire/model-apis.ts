/**
 * Who runs models, and in whose wire format each takes requests. The dialects speak the formats; how a provider is
 * addressed and dressed (paths, signatures, framing of streams) is in `upstream/providers/`.
 */
import type { ModelApi } from '../call.ts';

/** By the names that a target's `provider` may have; null where the target says which one it takes. */
const apis = {
  openai: 'openai',
  azure: 'openai',
  anthropic: 'anthropic',
  bedrock: 'anthropic',
  vertex: null,
} as const satisfies Record<string, ModelApi | null>;

export type ProviderName = keyof typeof apis;

/** In the order that faults list them. */
export const providerNames = Object.keys(apis) as readonly ProviderName[];

/** As far as a target is told apart here. */
export interface ModelProvider {
  readonly provider: ProviderName;
  /** Of a provider that speaks more than one. */
  readonly api?: ModelApi;
}

/** The API that a target speaks; that of OpenAI where it should say so and does not, which `providerFaults` finds. */
export function apiOf({ provider, api }: ModelProvider): ModelApi {
  return apis[provider] ?? api ?? 'openai';
}

/** Whether targets of `provider` say themselves which API they speak. */
export function choosesApi(provider: ProviderName): boolean {
  return apis[provider] === null;
}
