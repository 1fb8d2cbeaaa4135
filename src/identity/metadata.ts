/**
 * The documents by which clients and clouds find their way, and the challenge of a 401. They say only what works: a
 * client that is promised an authorization server which cannot serve it starts a login that never ends.
 */
import type { JsonObject } from '../call.ts';
import type { Denial } from '../denial.ts';
import { keyPurposes } from './keys.ts';

export const jwksPath = '/.well-known/jwks.json';
export const openidConfigurationPath = '/.well-known/openid-configuration';
export const protectedResourcePath = '/.well-known/oauth-protected-resource';

/** Where the gate's keys are (OpenID Connect Discovery §3). It has no login, hence no response types. */
export function openidConfiguration(publicUrl: string): JsonObject {
  return {
    issuer: publicUrl,
    jwks_uri: under(publicUrl, jwksPath),
    response_types_supported: [],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [keyPurposes.task.alg],
  };
}

/** What a task token is for (RFC 9728 §2). No `authorization_servers`: the task routes serve agents, not logins. */
export function protectedResource(publicUrl: string): JsonObject {
  return {
    resource: publicUrl,
    resource_name: 'Tollgate',
    bearer_methods_supported: ['header'],
  };
}

/**
 * The `WWW-Authenticate` of a denial (RFC 6750 §3, RFC 9728 §5.1): for 401, and for 403 `insufficient_scope`; undefined
 * for every other denial, because a challenge there makes clients fetch new tokens in a loop.
 */
export function wwwAuthenticate(denial: Denial, publicUrl: string): string | undefined {
  const metadata = `resource_metadata="${under(publicUrl, protectedResourcePath)}"`;
  if (denial.code === 'insufficient_scope') return `Bearer error="insufficient_scope", ${metadata}`;
  if (denial.code !== 'unauthenticated') return undefined;
  // RFC 6750 §3.1: who has shown nothing is told no error.
  if (denial.reasons.some(({ code }) => code === 'token_missing')) return `Bearer ${metadata}`;
  return `Bearer error="invalid_token", error_description="${denial.message}", ${metadata}`;
}

function under(publicUrl: string, path: string): string {
  return `${publicUrl.replace(/\/$/, '')}${path}`;
}
