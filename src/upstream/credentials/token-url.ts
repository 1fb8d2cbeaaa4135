/**
 * URLs of token services in the configuration. What goes there is worth as much as a key, so it goes over TLS;
 * loopback is for tests and for proxies on the same machine.
 */
import Type from 'typebox';
import { splitUrl } from '../address.ts';
import type { CredentialFault } from './credential.ts';

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;

export function tokenUrlSchema(description: string) {
  return Type.String({ minLength: 1, maxLength: 2048, description: `${description} https, http only on loopback.` });
}

/** What is wrong with the URL at `pointer`, if anything. */
export function checkTokenUrl(pointer: string, url: string | undefined): CredentialFault[] {
  if (url === undefined) return [];
  const parts = splitUrl(url);
  if (parts === undefined)
    return [{ pointer, message: 'expected an absolute https URL without user, fragment or dots' }];
  const { protocol, host } = parts.allowed;
  if (protocol === 'https:' || loopback.test(host)) return [];
  return [{ pointer, message: 'expected https: what goes there is as good as a key (http only on loopback)' }];
}

/** `sub` of a federation assertion. */
export function subjectSchema(description: string) {
  return Type.String({ minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$', description });
}

export const scopeSchema = Type.String({
  minLength: 1,
  maxLength: 4096,
  pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+( [\\x21\\x23-\\x5b\\x5d-\\x7e]+)*$',
  description: 'What is asked for, names with a space between them (RFC 6749 §3.3)',
});

export const identifierSchema = (description: string) => Type.String({ minLength: 1, maxLength: 2048, description });

/** A secret in the configuration: `writeOnly` keeps it out of the faults that are told. */
export function secretSchema(description: string) {
  return Type.String({ minLength: 1, maxLength: 8192, writeOnly: true, description });
}
