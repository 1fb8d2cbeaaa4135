/**
 * What no schema can say of the target of a model: base URLs as each provider has them, and members that mean something
 * at some of them only. Found when a configuration is loaded, since at the first call it would be a 404 of the provider.
 */
import { choosesApi } from '../wire/model-apis.ts';
import type { ModelTargetConfig } from './target.ts';

interface Fault {
  readonly pointer: string;
  readonly message: string;
}

/** The end of the path that each provider's base URL must have, or must not have. */
const urls = {
  openai: () => null,
  anthropic: (path) =>
    path.endsWith('/v1') ? "the base URL as Anthropic's SDK takes it, without /v1: its paths begin with that" : null,
  azure: (path, { api_version: version }) => {
    if (version === undefined) {
      return path.endsWith('/v1')
        ? null
        : 'the base URL of the v1 API, https://{resource}.openai.azure.com/openai/v1, or api_version for the classic one';
    }
    return /\/(?:openai|v1|models|deployments\/[^/]+)$/.test(path)
      ? null
      : 'the base URL that api_version goes with, https://{resource}.openai.azure.com/openai';
  },
  bedrock: (path) =>
    /\/(?:v1|model|anthropic|invoke)$/.test(path)
      ? 'the base URL of the runtime, https://bedrock-runtime.{region}.amazonaws.com: its paths begin with /model'
      : null,
  vertex: (path) =>
    /\/projects\/[^/]+\/locations\/[^/]+$/.test(path)
      ? null
      : 'the base URL up to the location, https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}',
} as const satisfies Record<ModelTargetConfig['provider'], (path: string, target: ModelTargetConfig) => string | null>;

/** All faults of `target`; pointers begin with `at`. */
export function providerFaults(target: ModelTargetConfig, at: string): readonly Fault[] {
  const { provider, api, api_version: version, model, url } = target;
  const faults: Fault[] = [];
  const fault = (member: string, message: string) => faults.push({ pointer: `${at}/${member}`, message });
  if (choosesApi(provider) && api === undefined) {
    fault('api', `expected anthropic or openai: models of ${provider} have the one or the other`);
  }
  if (!choosesApi(provider) && api !== undefined) fault('api', `expected no api: provider ${provider} has only one`);
  const versioned = provider === 'azure' || provider === 'bedrock' || (provider === 'vertex' && api === 'anthropic');
  if (version !== undefined && !versioned) {
    fault('api_version', 'expected no api_version: it is of azure, of bedrock, and of vertex with api anthropic');
  }
  if (/^\.{1,2}$/.test(model)) fault('model', 'expected the name of a model');
  if (!URL.canParse(url)) return faults;
  const expected = urls[provider](new URL(url).pathname.replace(/\/+$/, ''), target);
  if (expected !== null) fault('url', `expected ${expected}`);
  return faults;
}
