/**
 * A target as tollgate.yaml writes it: one place that serves a route. What the gate knows of a target's cloud and
 * region comes from here alone, and residency hangs on it.
 */
import Type from 'typebox';
import type { ModelApi } from '../call.ts';
import { providerNames } from '../wire/model-apis.ts';
import { callUsd, modelPrice } from '../wire/price.ts';
import { tokenizerFields } from '../wire/tokenizer.ts';
import { keyFields } from './keys.ts';

/** Names that stand in pointers, keys of the store and the audit trail. */
export const wordPattern = '^[a-z0-9_-]+$';

const toolPrice = Type.Object(
  { call_usd: callUsd },
  { additionalProperties: false, description: 'What the service costs; amounts have six decimals at most.' },
);

const timeouts = Type.Object(
  {
    connect: Type.Integer({
      default: 2_000,
      minimum: 1,
      maximum: 60_000,
      description: 'Until there is a connection, in milliseconds.',
    }),
    first_byte: Type.Integer({
      default: 60_000,
      minimum: 1,
      maximum: 600_000,
      description: 'From sending until the head of the answer, in milliseconds.',
    }),
    total: Type.Integer({
      default: 600_000,
      minimum: 1,
      maximum: 3_600_000,
      description: 'For the whole exchange, a stream included, in milliseconds.',
    }),
  },
  { default: {}, additionalProperties: false, description: 'How long the gate waits for the target.' },
);

const place = {
  name: Type.String({ pattern: wordPattern, maxLength: 64, description: 'Unique in its route; stands in the trail.' }),
  cloud: Type.String({ pattern: wordPattern, description: 'Where it runs, as policies name it: azure, aws, on-prem.' }),
  region: Type.String({
    pattern: wordPattern,
    description: 'Where its data stays, as policies name it: eu-central-1.',
  }),
  url: Type.String({
    pattern: '^https?://[^/?#@\\s]+(/[^?#\\s]*)?$',
    description:
      "The base URL; of a model the provider's, as its SDK takes it: OpenAI's with `/v1`, Anthropic's without. Azure: https://{resource}.openai.azure.com/openai/v1, or with api_version …/openai. Bedrock: https://bedrock-runtime.{region}.amazonaws.com. Vertex: https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}",
  }),
  weight: Type.Integer({
    default: 1,
    minimum: 0,
    maximum: 1_000_000,
    description: 'Its share of the calls among the targets; with 0 it is only tried when all others fail.',
  }),
  ...keyFields,
  timeout_ms: timeouts,
};

export const modelTarget = Type.Object(
  {
    ...place,
    provider: Type.Enum([...providerNames], {
      description:
        'Who runs it. openai and anthropic are also every other server with their API; azure is Azure OpenAI, bedrock and vertex are the models of Anthropic at AWS and Google, and vertex those with an API like that of OpenAI.',
    }),
    api: Type.Optional(
      Type.Enum(['openai', 'anthropic'] as ModelApi[], {
        description: 'Of provider vertex: whose API it speaks. The other providers have one each.',
      }),
    ),
    api_version: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$',
        description:
          'Azure: the version of the classic API, 2024-10-21 for one; left out: the v1 API, which has none. Bedrock and vertex with api anthropic: the anthropic_version that is sent whatever clients ask for; left out: 2023-06-01 by the name the platform has for it, any other as the client asks.',
      }),
    ),
    model: Type.String({
      minLength: 1,
      maxLength: 2_048,
      description:
        'The name of the model at its provider; of its deployment at Azure; at Bedrock also an inference profile or an ARN.',
    }),
    headers: Type.Optional(
      Type.Record(
        Type.String({ pattern: "^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$" }),
        Type.String({ pattern: '^[\\x20-\\x7e]{1,4096}$' }),
        {
          maxProperties: 16,
          additionalProperties: false,
          description:
            'Headers of every request to it, over those of the client; `anthropic-beta` adds to them. Keys go into a credential.',
        },
      ),
    ),
    max_output_tokens: Type.Integer({
      minimum: 1,
      maximum: 100_000_000,
      description: 'The longest answer the model can give; what is reserved where a client names no limit.',
    }),
    price: Type.Optional(modelPrice),
    ...tokenizerFields,
  },
  { additionalProperties: false, description: 'One place that serves a model.' },
);

export const httpTarget = Type.Object(
  {
    ...place,
    price: Type.Optional(toolPrice),
    txn_token: Type.Boolean({
      default: true,
      description: 'Whether it is of the trust domain, and gets a Txn-Token and the trace.',
    }),
  },
  { additionalProperties: false, description: 'One place that serves an HTTP service.' },
);

const { url: _url, ...mcpPlace } = place;

export const mcpTarget = Type.Object(
  {
    ...mcpPlace,
    url: Type.Optional(
      Type.String({
        pattern: '^https?://[^/?#@\\s]+(/[^?#\\s]*)?$',
        description: 'The MCP endpoint of the server (Streamable HTTP). Either this or `command`.',
      }),
    ),
    command: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'A program that speaks MCP over its standard input and output, started and watched over by the gate; for development. A path that begins with ./ or ../ is relative to this file, a bare name is looked for in PATH.',
      }),
    ),
    args: Type.Array(Type.String(), { default: [], maxItems: 64, description: 'Its arguments.' }),
    env: Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String(), {
      default: {},
      description: 'All of its environment but PATH: nothing of the environment of the gate is inherited.',
    }),
    price: Type.Optional(toolPrice),
    txn_token: Type.Boolean({
      default: true,
      description: 'Whether it is of the trust domain, and gets a Txn-Token and the trace.',
    }),
  },
  { additionalProperties: false, description: 'One server that serves MCP.' },
);

export type McpTargetConfig = Type.Static<typeof mcpTarget>;
export type ModelTargetConfig = Type.Static<typeof modelTarget>;
export type HttpTargetConfig = Type.Static<typeof httpTarget>;
export type TargetConfig = ModelTargetConfig | HttpTargetConfig | McpTargetConfig;
