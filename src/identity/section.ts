/**
 * The `issuers` section of tollgate.yaml: whose workload tokens open a task. Two issuers are told apart by their exact
 * `iss`, and an agent is always named together with the `name` of its issuer: equal subjects of two issuers never mix.
 */
import Type from 'typebox';
import { type AlgorithmName, algorithms } from './algorithms.ts';
import { parseClaimSource } from './claim-path.ts';
import { unfitUrl } from './issuer-url.ts';
import { normalTyp } from './jwt.ts';

const algorithmNames = Object.keys(algorithms) as AlgorithmName[];
const kindsOfTheGate = ['txntoken+jwt', 'tollgate-audit+jwt'];

const issuerSection = Type.Object(
  {
    name: Type.String({
      pattern: '^[a-z0-9_-]{1,64}$',
      description: 'How the gate names this issuer: in policies, in the audit trail, in metrics.',
    }),
    issuer: Type.String({
      minLength: 1,
      maxLength: 2048,
      description: 'The exact `iss` of its tokens, a URL. `http://` only on loopback.',
    }),
    audiences: Type.Array(Type.String({ minLength: 1, maxLength: 2048 }), {
      minItems: 1,
      maxItems: 32,
      uniqueItems: true,
      description: 'A token must name at least one of them in `aud`.',
    }),
    algorithms: Type.Array(Type.Enum(algorithmNames), {
      minItems: 1,
      uniqueItems: true,
      default: ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
      description: 'Signature algorithms that are accepted. `none` and `HS*` cannot be.',
    }),
    typ: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
      minItems: 1,
      uniqueItems: true,
      default: ['JWT', 'at+jwt', 'absent'],
      description: 'Values of the `typ` header that are accepted; `absent` stands for a token without one.',
    }),
    jwks_uri: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2048,
        description: 'Where its keys are. Left out, they are found by OIDC discovery at the issuer.',
      }),
    ),
    agent: Type.String({
      minLength: 1,
      maxLength: 255,
      default: 'claims.sub',
      description: 'The id of the agent: a claim path. A name with dots is quoted: `claims."kubernetes.io".namespace`.',
    }),
    tenant: Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'Who pays: a claim path (`claims.tid`), or a literal.',
    }),
    cloud: Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'Where the agents of this issuer run: a literal (`azure`), or a claim path.',
    }),
    clock_tolerance_seconds: Type.Integer({
      minimum: 0,
      maximum: 300,
      default: 30,
      description: 'How far the clocks of issuer and gate may differ, for `exp`, `nbf` and `iat`.',
    }),
  },
  { additionalProperties: false },
);

export const issuersSection = Type.Array(issuerSection, {
  default: [],
  maxItems: 64,
  description: 'Issuers whose workload tokens are trusted to say who an agent is.',
});

export type IssuerConfig = Type.Static<typeof issuerSection>;
export type IssuersConfig = Type.Static<typeof issuersSection>;

export interface IssuerFault {
  /** JSON pointer from the section's root. */
  readonly pointer: string;
  readonly message: string;
}

/**
 * What the schema cannot say. `publicUrl` is `gateway.public_url`: an issuer of that name would turn the gate's own
 * task tokens into workload tokens.
 */
export function checkIssuers(issuers: IssuersConfig, publicUrl?: string): IssuerFault[] {
  const faults: IssuerFault[] = [];
  const names = new Set<string>();
  const urls = new Set<string>();
  for (const [index, entry] of issuers.entries()) {
    const fault = (member: string, message: string) => faults.push({ pointer: `/${index}/${member}`, message });
    if (names.has(entry.name)) fault('name', `another issuer is named "${entry.name}" too`);
    names.add(entry.name);
    const url = comparable(entry.issuer);
    if (urls.has(url)) fault('issuer', 'another entry has this issuer too; list its audiences in one entry');
    urls.add(url);
    if (publicUrl !== undefined && url === comparable(publicUrl)) {
      fault('issuer', 'the gate itself cannot be an issuer of workload tokens');
    }
    const unfit = unfitUrl(entry.issuer, entry.issuer);
    if (unfit !== undefined) fault('issuer', unfit);
    if (entry.jwks_uri !== undefined) {
      const unfitKeys = unfitUrl(entry.jwks_uri, entry.issuer);
      if (unfitKeys !== undefined) fault('jwks_uri', unfitKeys);
    }
    if (entry.typ.some((typ) => kindsOfTheGate.includes(normalTyp(typ)))) {
      fault('typ', `${kindsOfTheGate.join(' and ')} are kinds of the gate's own tokens`);
    }
    for (const member of ['agent', 'tenant', 'cloud'] as const) {
      if (parseClaimSource(entry[member]) === undefined) {
        fault(member, `"${entry[member]}" is not a claim path: expected claims.name, names with dots in double quotes`);
      }
    }
    if (!entry.agent.startsWith('claims.')) {
      fault('agent', 'a literal would make every workload of this issuer one agent: expected a claim path');
    }
  }
  return faults;
}

function comparable(url: string): string {
  return URL.canParse(url) ? new URL(url).href.replace(/\/+$/, '') : url;
}
