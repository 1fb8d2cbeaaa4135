/**
 * The sections of tollgate.yaml that name issuers: `issuers` (whose workload tokens open a task), `subject_issuers`
 * (who vouches for the customers and employees that tasks are for) and `admin` (who vouches for people on the admin
 * plane). Two issuers are told apart by their exact `iss` or their trust domain, and whoever they vouch for is always
 * named together with the `name` of the issuer.
 */
import Type from 'typebox';
import { type AlgorithmName, algorithms } from './algorithms.ts';
import { type IssuerKindName, issuerKinds } from './issuer-kinds/index.ts';

export { checkIdentity, type IssuerFault } from './issuer-faults.ts';

const algorithmNames = Object.keys(algorithms) as AlgorithmName[];
const kindNames = Object.keys(issuerKinds) as IssuerKindName[];

const name = Type.String({
  pattern: '^[a-z0-9_-]{1,64}$',
  description: 'How the gate names this issuer: in policies, in the audit trail, in metrics.',
});
const issuer = Type.String({
  minLength: 1,
  maxLength: 2048,
  description: 'The exact `iss` of its tokens, a URL. `http://` only on loopback. `kind: spiffe` can do without.',
});
const audience = Type.String({ minLength: 1, maxLength: 2048 });
const claimSource = (description: string, rest: { default?: string } = {}) =>
  Type.String({ minLength: 1, maxLength: 255, description, ...rest });
const claimValue = Type.Union([Type.String({ maxLength: 2048 }), Type.Number(), Type.Boolean()]);

const condition = Type.Object(
  {
    claim: claimSource('The claim, as a path. If it is a list, one member that fits is enough.'),
    equals: Type.Optional(claimValue),
    one_of: Type.Optional(Type.Array(claimValue, { minItems: 1, maxItems: 1000 })),
    matches: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2048,
        description: 'A pattern in which `*` stands for any characters, also `/` and none; nothing else is special.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Exactly one of `equals`, `one_of` and `matches`.' },
);

/** What every issuer may say, whatever its tokens are for. */
const members = {
  kind: Type.Enum(kindNames, {
    default: 'oidc',
    description:
      'What is known of its tokens: which claims say what, and which checks they need. `oidc` is any issuer at all.',
  }),
  algorithms: Type.Optional(
    Type.Array(Type.Enum(algorithmNames), {
      minItems: 1,
      uniqueItems: true,
      description: 'Signature algorithms that are accepted; by default those of the kind. `none` and `HS*` cannot be.',
    }),
  ),
  typ: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
      minItems: 1,
      uniqueItems: true,
      description:
        'Values of the `typ` header that are accepted; by default those of the kind. `absent`: a token without one.',
    }),
  ),
  jwks_uri: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 2048,
      description:
        'Where its keys are; for `kind: spiffe` the bundle endpoint. Left out, they are found by OIDC discovery, which may name no host but the issuer’s.',
    }),
  ),
  ca: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 262_144,
      description:
        'Certificates in PEM that its servers are trusted by besides the usual ones, best put in by `file:`.',
    }),
  ),
  conditions: Type.Array(condition, {
    default: [],
    maxItems: 32,
    description: 'What the claims of a token must say; all of them. A claim that is missing fails.',
  }),
  lifetime_seconds_max: Type.Optional(
    Type.Integer({
      minimum: 60,
      maximum: 31_536_000,
      description: 'The longest time from `iat` to `exp`; a token that lives longer, or has no `iat`, is refused.',
    }),
  ),
  clock_tolerance_seconds: Type.Integer({
    minimum: 0,
    maximum: 300,
    default: 30,
    description: 'How far the clocks of issuer and gate may differ, for `exp`, `nbf` and `iat`.',
  }),
};

const audiences = Type.Array(audience, {
  minItems: 1,
  maxItems: 32,
  uniqueItems: true,
  description: 'A token must name at least one of them in `aud`.',
});

const issuerSection = Type.Object(
  {
    name,
    issuer: Type.Optional(issuer),
    trust_domain: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        description: 'For `kind: spiffe`: the trust domain in the `sub` of its tokens, `spiffe://{trust domain}/…`.',
      }),
    ),
    audiences,
    ...members,
    agent: Type.Optional(
      claimSource(
        'The id of the agent: a claim path, by default of the kind. A name with dots is quoted: `claims."kubernetes.io".namespace`.',
      ),
    ),
    tenant: Type.Optional(
      claimSource('Who pays: a claim path (`claims.tid`), or a literal. `entra` and `aws` have a default.'),
    ),
    cloud: Type.Optional(
      claimSource(
        'Where the agents of this issuer run: a literal (`azure`), or a claim path. Only `oidc`, `spiffe` and a self-managed cluster must say.',
      ),
    ),
    binding: Type.Enum(['none', 'any', 'mtls', 'dpop'], {
      default: 'none',
      description:
        'Whether its agents get only tokens that belong to a key: by `mtls` (RFC 8705), by `dpop` (RFC 9449), by either (`any`).',
    }),
  },
  { additionalProperties: false },
);

export const issuersSection = Type.Array(issuerSection, {
  default: [],
  maxItems: 64,
  description: 'Issuers whose workload tokens are trusted to say who an agent is.',
});

const subjectIssuerSection = Type.Object(
  {
    name,
    issuer,
    audiences,
    ...members,
    subject: claimSource('The id of the customer or employee: a claim path.', { default: 'claims.sub' }),
    type: claimSource('What they are: a literal (`customer`, `employee`), or a claim path.', { default: 'customer' }),
    tenant: Type.Optional(
      claimSource('If it is there, only agents of this tenant may show the token: a claim path, or a literal.'),
    ),
  },
  { additionalProperties: false },
);

export const subjectIssuersSection = Type.Array(subjectIssuerSection, {
  default: [],
  maxItems: 64,
  description: 'Issuers whose tokens are trusted to say on whose behalf a task runs: customers and employees.',
});

const roleValues = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
    default: [],
    maxItems: 100,
    uniqueItems: true,
    description,
  });

export const adminSection = Type.Object(
  {
    issuer,
    audience: Type.String({
      minLength: 1,
      maxLength: 2048,
      description: 'What the token must name in `aud`. Neither agents nor subjects may have tokens for it.',
    }),
    role_claim: claimSource(
      'Where the roles stand: a claim path to a list, or to a text in which spaces stand between them.',
    ),
    roles: Type.Object(
      {
        auditor: roleValues('Values of the role claim that make an auditor.'),
        policy_author: roleValues('Values of the role claim that make a policy author.'),
        operator: roleValues('Values of the role claim that make an operator.'),
        approver: roleValues('Values of the role claim that make an approver.'),
      },
      { additionalProperties: false, description: 'Which values of the role claim stand for which role.' },
    ),
    ...members,
    person: claimSource('The id of the person: a claim path.', { default: 'claims.sub' }),
  },
  {
    additionalProperties: false,
    description: 'Who vouches for people on the admin plane. Left out, the file `data_dir/admin-token` does.',
  },
);

export type IssuersConfig = Type.Static<typeof issuersSection>;
export type IssuerConfig = IssuersConfig[number];
export type SubjectIssuersConfig = Type.Static<typeof subjectIssuersSection>;
export type SubjectIssuerConfig = SubjectIssuersConfig[number];
export type AdminConfig = Type.Static<typeof adminSection>;
