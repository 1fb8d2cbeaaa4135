/** The `telemetry` section of tollgate.yaml. */
import Type from 'typebox';

const token = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$";

const otlp = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://[^/?#@\\s]+(/[^?#\\s]*)?$',
      description: 'Base URL of the OTLP/HTTP receiver, such as http://127.0.0.1:4318; `/v1/traces` is added.',
    }),
    headers: Type.Record(
      Type.String({ pattern: token }),
      Type.String({ minLength: 1, maxLength: 8192, pattern: '^[\\t\\x20-\\x7e]+$' }),
      {
        default: {},
        maxProperties: 20,
        additionalProperties: false,
        description: 'Headers of every export, such as the key of the receiver.',
      },
    ),
  },
  { additionalProperties: false, description: 'Where traces go; left out: nowhere.' },
);

export const telemetrySection = Type.Object(
  {
    log: Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')], {
      default: 'info',
      description: 'Least level that is logged, to standard error.',
    }),
    otlp: Type.Optional(otlp),
    sample: Type.Number({
      default: 1,
      minimum: 0,
      maximum: 1,
      description: 'The share of new traces that are recorded; a trace that the caller brings keeps its own choice.',
    }),
    baggage: Type.Array(Type.String({ pattern: token }), {
      default: [],
      maxItems: 32,
      uniqueItems: true,
      description: 'Keys of the `baggage` header that go on to targets of the trust domain; all others stay outside.',
    }),
    prometheus: Type.Boolean({ default: true, description: 'Whether the admin plane answers GET /metrics.' }),
    prometheus_token: Type.Optional(
      Type.String({
        minLength: 16,
        maxLength: 1024,
        pattern: '^[\\x21-\\x7e]+$',
        description: 'A bearer token that opens /metrics and nothing else; the admin token opens it too.',
      }),
    ),
  },
  { default: {}, additionalProperties: false, description: 'What the gate says of itself.' },
);

export type TelemetryConfig = Type.Static<typeof telemetrySection>;

/** Faults that the schema cannot say. */
export function checkTelemetry(config: TelemetryConfig): { pointer: string; message: string }[] {
  if (config.prometheus || config.prometheus_token === undefined) return [];
  return [{ pointer: '/telemetry/prometheus_token', message: 'is of no use while telemetry.prometheus is off' }];
}
