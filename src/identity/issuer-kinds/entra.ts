/**
 * Microsoft Entra ID, one tenant an entry. Applications and people get tokens of one issuer with the same keys, so the
 * kind tells them apart: an agent shows a token of an application (no `scp`, and `idtyp` app or `oid` the same as
 * `sub`), a subject or a person on the admin plane one of a user. Issuers of version 1 and 2 differ in their URL and in
 * the claim that names the application.
 */
import type { JsonObject } from '../../call.ts';
import { refuse } from '../refusal.ts';
import type { IssuerKind, KindEntry } from './issuer-kind.ts';

// https://sts.windows.net/{tenant}/ and https://login.microsoftonline.com/{tenant}/v2.0; other hosts in other clouds.
const pathForm = /^\/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\/(v2\.0)?$/;
const versionOneHost = 'sts.windows.net';

export const entra: IssuerKind = {
  purposes: ['workload', 'subject', 'admin'],
  defaults: (entry) => {
    const tenant = tenantOf(entry);
    return {
      agent: tenant?.version === '2.0' ? 'claims.azp' : 'claims.appid',
      tenant: 'claims.tid',
      cloud: 'azure',
      algorithms: ['RS256'],
      typ: ['JWT', 'at+jwt'],
      // The keys of version 1 lie at another host than its issuer: discovery would lead where nothing may be fetched.
      ...(tenant?.host === versionOneHost
        ? { jwksUri: `https://login.microsoftonline.com/${tenant.id}/discovery/keys` }
        : {}),
    };
  },
  faults: (entry) => {
    if (entry.issuer === undefined || tenantOf(entry) !== undefined) return [];
    const message = 'expected the issuer of one tenant: https://login.microsoftonline.com/{tenant id}/v2.0';
    return [{ member: 'issuer', message }];
  },
  chosenByWorkload: [],
  refusal: (claims, entry, purpose) => {
    const tenant = tenantOf(entry);
    if (claims.tid === undefined) return refuse('claim_missing');
    if (tenant === undefined || claims.tid !== tenant.id) return refuse('claim_invalid');
    if (claims.ver !== undefined && claims.ver !== tenant.version) return refuse('claim_invalid');
    const holder = holderOf(claims);
    return holder === (purpose === 'workload' ? 'application' : 'person') ? undefined : refuse('token_kind');
  },
};

interface Tenant {
  readonly host: string;
  readonly id: string;
  readonly version: '1.0' | '2.0';
}

function tenantOf({ issuer }: KindEntry): Tenant | undefined {
  if (issuer === undefined || !URL.canParse(issuer)) return undefined;
  const { hostname: host, pathname } = new URL(issuer);
  const [, id, two] = pathForm.exec(pathname) ?? [];
  return id === undefined ? undefined : { host, id, version: two === undefined ? '1.0' : '2.0' };
}

/** `idtyp` is optional; without it the object and the subject of a token are the same for applications only. */
function holderOf({ idtyp, scp, oid, sub }: JsonObject): 'application' | 'person' | undefined {
  const said = idtyp === 'app' ? 'application' : idtyp === 'user' ? 'person' : undefined;
  if (idtyp !== undefined && said === undefined) return undefined;
  if (scp !== undefined) return said === 'application' ? undefined : 'person';
  if (said !== undefined || oid === undefined) return said;
  return oid === sub ? 'application' : 'person';
}
