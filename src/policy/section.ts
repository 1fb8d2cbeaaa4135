/** The `policy` section of tollgate.yaml: where the policies are. */
import Type from 'typebox';

export const policySection = Type.Object(
  {
    bundle: Type.String({
      minLength: 1,
      default: './policies',
      description:
        'A folder of Rego and data, compiled at start and again when it changes, or a `.tar.gz` bundle that ' +
        '`opa build -t wasm` made. Relative to this file.',
    }),
  },
  { default: {}, additionalProperties: false, description: 'Policies: what decides about tasks, calls and answers.' },
);

export type PolicyConfig = Type.Static<typeof policySection>;
