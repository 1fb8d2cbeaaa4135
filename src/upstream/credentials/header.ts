/**
 * A key in a header, as most model providers and internal services take it: `api-key: …`, or `authorization` with
 * the scheme written out in the value.
 */
import Type from 'typebox';
import { isGatesOwn } from '../headers.ts';
import type { Credential, CredentialFault } from './credential.ts';

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
      writeOnly: true,
      description: 'Its value, usually from the environment or a file; for authorization with its scheme in front',
    }),
  },
  { additionalProperties: false, description: 'A key that is sent in a header' },
);

type Config = Type.Static<typeof schema>;

/** Headers that carry a key although the gate keeps them from agents' requests. */
const carriers: ReadonlySet<string> = new Set(['authorization', 'cookie', 'x-api-key']);

export function hosts(): string[] {
  return [];
}

/** A credential must not take the place of a header that frames or signs the request. */
export function check({ name }: Config): CredentialFault[] {
  const header = name.toLowerCase();
  if (!isGatesOwn(header) || carriers.has(header)) return [];
  return [{ pointer: '/name', message: `the header ${header} is set by the gate itself` }];
}

export function create(config: Config): Credential {
  const granted = Object.freeze({ headers: Object.freeze({ [config.name.toLowerCase()]: config.value }) });
  return { grant: () => granted };
}
