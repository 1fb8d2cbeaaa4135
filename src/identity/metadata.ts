/**
 * The documents by which clients and clouds find their way, and the challenges of a 401 and of a 403 that another token
 * would help. They say only what works: a client that is promised what cannot serve it starts a login that never ends.
 */
import type { JsonObject, Shown } from '../call.ts';
import type { Denial } from '../denial.ts';
import { proofAlgorithms } from './dpop.ts';
import { keyPurposes } from './keys.ts';

export const jwksPath = '/.well-known/jwks.json';
export const openidConfigurationPath = '/.well-known/openid-configuration';
export const authorizationServerPath = '/.well-known/oauth-authorization-server';
export const protectedResourcePath = '/.well-known/oauth-protected-resource';

/** A part of the data plane that takes task tokens: `/v1`, `/tools/orders`; the whole of it is the empty path. */
export interface Resource {
  readonly path: string;
  /** Whether every operation there takes DPoP-bound tokens only. */
  readonly dpopRequired: boolean;
}

export interface MetadataFacts {
  /** Without a slash at its end. */
  readonly publicUrl: string;
  /** Whether clients can come with a certificate, and tokens be bound to it (RFC 8705 §3.3). */
  readonly certificates: boolean;
  /** The whole data plane first; what has no row here has no document. */
  readonly resources: readonly [Resource, ...Resource[]];
  /** Paths of the OAuth endpoints. */
  readonly endpoints: { readonly token: string; readonly revocation: string; readonly introspection: string };
}

/** All documents by their paths. */
export function metadataDocuments(facts: MetadataFacts): Readonly<Record<string, () => JsonObject>> {
  const ofResources = facts.resources.map((resource) => [
    `${protectedResourcePath}${resource.path}`,
    () => protectedResource(facts, resource),
  ]);
  return {
    [openidConfigurationPath]: () => openidConfiguration(facts.publicUrl),
    [authorizationServerPath]: () => authorizationServer(facts),
    ...(Object.fromEntries(ofResources) as Record<string, () => JsonObject>),
  };
}

/** Where the gate's keys are (OpenID Connect Discovery §3). */
export function openidConfiguration(publicUrl: string): JsonObject {
  return {
    issuer: publicUrl,
    jwks_uri: `${publicUrl}${jwksPath}`,
    // There is no login. Discovery §3 asks for the member, and §4.2 forbids it to be empty: clouds are strict about both.
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    // RS256 is of federation assertions, the tokens that clouds come here for.
    id_token_signing_alg_values_supported: [keyPurposes.federation.alg, keyPurposes.task.alg],
    claims_supported: ['iss', 'sub', 'aud', 'iat', 'nbf', 'exp', 'jti'],
  };
}

/** How task tokens are had, ended and asked about (RFC 8414 §2). There is no authorization endpoint: nobody logs in here. */
function authorizationServer({ publicUrl, certificates, endpoints }: MetadataFacts): JsonObject {
  // A workload token says who the client is: as assertion, or as the very token that is exchanged.
  const methods = ['private_key_jwt', 'none'];
  return {
    issuer: publicUrl,
    jwks_uri: `${publicUrl}${jwksPath}`,
    token_endpoint: `${publicUrl}${endpoints.token}`,
    revocation_endpoint: `${publicUrl}${endpoints.revocation}`,
    introspection_endpoint: `${publicUrl}${endpoints.introspection}`,
    grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: [...proofAlgorithms],
    dpop_signing_alg_values_supported: [...proofAlgorithms],
    tls_client_certificate_bound_access_tokens: certificates,
    authorization_details_types_supported: ['tollgate_task'],
  };
}

/**
 * What a task token is for (RFC 9728 §2). No `authorization_servers`, though there is a token endpoint: whoever reads it
 * there (an MCP client first of all) sends a person to an authorization endpoint with PKCE, and there is none. An agent
 * knows its gate, and has its tokens by its workload identity.
 */
function protectedResource({ publicUrl, certificates }: MetadataFacts, { path, dpopRequired }: Resource): JsonObject {
  return {
    resource: `${publicUrl}${path}`,
    resource_name: 'Tollgate',
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: [...proofAlgorithms],
    tls_client_certificate_bound_access_tokens: certificates,
    ...(dpopRequired ? { dpop_bound_access_tokens_required: true } : {}),
  };
}

const unsayable = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g;

/**
 * The `WWW-Authenticate` of a denial (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1): for 401, and for 403
 * `insufficient_scope`; undefined for every other denial, because a challenge there makes clients fetch new tokens in a
 * loop. DPoP is offered where it was used, or would help.
 */
export function wwwAuthenticate(
  denial: Denial,
  shown: Pick<Shown, 'path' | 'scheme' | 'proof'>,
  { publicUrl, resources }: Pick<MetadataFacts, 'publicUrl' | 'resources'>,
): string | undefined {
  if (denial.code !== 'insufficient_scope' && denial.code !== 'unauthenticated') return undefined;
  const resource = resourceOf(shown.path, resources);
  const metadata = `resource_metadata="${publicUrl}${protectedResourcePath}${resource.path}"`;
  const error = errorOf(denial);
  const ofProof = denial.reasons.some(({ code }) => code.startsWith('proof_'));
  const byProof = ofProof || shown.scheme === 'dpop' || (shown.proof !== null && shown.scheme === null);
  const algs = `algs="${proofAlgorithms.join(' ')}"`;
  const bearer = (...said: readonly string[]) => `Bearer ${[...said, metadata].join(', ')}`;
  const dpop = (...said: readonly string[]) => `DPoP ${[...said, algs, metadata].join(', ')}`;
  if (resource.dpopRequired) return dpop(...error);
  if (byProof) return `${dpop(...error)}, ${bearer()}`;
  const helps = denial.reasons.some(({ code, path }) => path === undefined && code.startsWith('binding_'));
  return helps ? `${bearer(...error)}, ${dpop()}` : bearer(...error);
}

function errorOf({ code, message, reasons, details: { scope } }: Denial): readonly string[] {
  if (code === 'insufficient_scope') {
    const needed = scope === undefined || /[\s"\\]|[^\x20-\x7e]/.test(scope) ? [] : [`scope="${scope}"`];
    return ['error="insufficient_scope"', ...needed];
  }
  // RFC 6750 §3.1: who has shown nothing is told no error.
  if (reasons.some((reason) => reason.code === 'token_missing')) return [];
  const error = reasons.some((reason) => reason.code.startsWith('proof_')) ? 'invalid_dpop_proof' : 'invalid_token';
  return [`error="${error}"`, `error_description="${message.replaceAll(unsayable, ' ')}"`];
}

/** The narrowest resource that a path lies in. */
function resourceOf(path: string, resources: MetadataFacts['resources']): Resource {
  const [whole, ...parts] = resources;
  const around = parts.filter((part) => path === part.path || path.startsWith(`${part.path}/`));
  return around.toSorted((one, other) => other.path.length - one.path.length)[0] ?? whole;
}
