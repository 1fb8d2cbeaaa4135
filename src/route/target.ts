/**
 * A target as tollgate.yaml writes it: one place that serves a route. What the gate knows of a target's cloud and
 * region comes from here alone, and residency hangs on it.
 */
import Type from 'typebox';
import { callUsd, modelPrice } from '../wire/price.ts';

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
      "The base URL; of a model the provider's, as its SDK takes it: OpenAI's with `/v1`, Anthropic's without.",
  }),
  weight: Type.Integer({
    default: 1,
    minimum: 0,
    maximum: 1_000_000,
    description: 'Its share of the calls among the targets; with 0 it is only tried when all others fail.',
  }),
  credential: Type.Optional(Type.String({ description: 'The credential that the gate adds; left out: none.' })),
  timeout_ms: timeouts,
};

export const modelTarget = Type.Object(
  {
    ...place,
    provider: Type.Enum(['openai', 'anthropic'], {
      description: 'Whose API it speaks. All targets of a route speak the same one.',
    }),
    model: Type.String({ minLength: 1, maxLength: 200, description: 'The name of the model at its provider.' }),
    max_output_tokens: Type.Integer({
      minimum: 1,
      maximum: 100_000_000,
      description: 'The longest answer the model can give; what is reserved where a client names no limit.',
    }),
    price: Type.Optional(modelPrice),
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

export type ModelTargetConfig = Type.Static<typeof modelTarget>;
export type HttpTargetConfig = Type.Static<typeof httpTarget>;
export type TargetConfig = ModelTargetConfig | HttpTargetConfig;
