/** Where a third-party package enters, as folders of src. `section` is any section.ts. */
export const packages: Readonly<Record<string, readonly string[]>> = {
  '@open-policy-agent/opa-wasm': ['policy'],
  '@opentelemetry/api': ['telemetry'],
  '@opentelemetry/otlp-transformer': ['telemetry'],
  '@opentelemetry/resources': ['telemetry'],
  '@opentelemetry/sdk-trace': ['telemetry'],
  '@pydantic/genai-prices': ['budget'],
  '@rgrove/parse-xml': ['upstream/credentials'],
  '@smithy/eventstream-codec': ['upstream/providers'],
  '@smithy/signature-v4': ['upstream/credentials'],
  ajv: ['config', 'wire', 'policy'], // one validator for configuration, arguments, and policy contracts
  'ajv-formats': ['config', 'wire', 'policy'],
  canonicalize: ['wire'],
  fastify: ['server'],
  'gpt-tokenizer': ['budget', 'wire'],
  htm: ['console'],
  htmlparser2: ['wire'], // what pages of tools say, without what they hide
  ioredis: ['store'],
  oauth4webapi: ['upstream/credentials'],
  opossum: ['breaker'],
  pino: ['telemetry'],
  preact: ['console'],
  'tar-stream': ['policy'],
  typebox: ['section', 'config', 'policy', 'route', 'wire', 'upstream/credentials'], // where something from outside is parsed
  undici: ['upstream'],
  yaml: ['config', 'policy/lint'], // what people write, where faults are told by their line
};
