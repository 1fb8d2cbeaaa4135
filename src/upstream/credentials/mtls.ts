/**
 * A client certificate (RFC 8705 §2, or any service behind mutual TLS): the gate connects with it to the targets that
 * name this credential and to no others. Its files are read with the configuration; a renewed certificate is a change
 * of it and needs no restart.
 */
import Type from 'typebox';
import type { Credential, CredentialFault, CredentialPorts } from './credential.ts';

export const kind = 'mtls';

const file = (description: string) => Type.String({ minLength: 1, maxLength: 4096, description });

export const schema = Type.Object(
  {
    kind: Type.Literal(kind),
    cert: file('PEM file of the certificate, those of authorities between behind it; relative to this file'),
    key: file('PEM file of its private key, without a passphrase'),
    ca: Type.Optional(
      file('PEM file of the authorities that the target must be certified by, in place of those trusted by default'),
    ),
  },
  { additionalProperties: false, description: 'A certificate the gate connects with; the target must be https' },
);

export function hosts(): string[] {
  return [];
}

export function check(): CredentialFault[] {
  return [];
}

export function create(_config: Type.Static<typeof schema>, { identity }: CredentialPorts): Credential {
  if (identity === undefined) throw new Error('the files of a client certificate have not been read');
  const granted = Object.freeze({ headers: Object.freeze({}), identity });
  return { grant: () => granted };
}
