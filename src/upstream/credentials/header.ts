/**
 * A key in a header, as most model providers and internal services take it: `api-key: …`, or `authorization` with
 * the scheme written out in the value.
 */
import Type from 'typebox';
import type { Credential } from './credential.ts';

export const kind = 'header';

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    name: Type.String({
      pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
      maxLength: 100,
      description: 'Name of the header, such as api-key',
    }),
    value: Type.String({
      minLength: 1,
      maxLength: 8192,
      pattern: '^[\\t\\x20-\\x7e]+$',
      description: 'Its value, usually from the environment or a file; for authorization with its scheme in front',
    }),
  },
  { additionalProperties: false, description: 'A key that is sent in a header' },
);

export function create(config: Type.Static<typeof schema>): Credential {
  const headers = Object.freeze({ [config.name.toLowerCase()]: config.value });
  return { headers: () => headers };
}
