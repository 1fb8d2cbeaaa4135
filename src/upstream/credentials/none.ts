/** No credential, said aloud: for a target that the network alone, or the Txn-Token alone, protects. */
import Type from 'typebox';
import type { Credential, CredentialFault } from './credential.ts';

export const kind = 'none';

export const schema = Type.Object(
  { kind: Type.Literal(kind) },
  { additionalProperties: false, description: 'Nothing is added' },
);

const nothing = Object.freeze({ headers: Object.freeze({}) });

export function hosts(): string[] {
  return [];
}

export function check(): CredentialFault[] {
  return [];
}

export function create(_config: Type.Static<typeof schema>): Credential {
  return { grant: () => nothing };
}
