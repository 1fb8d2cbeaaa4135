/**
 * What no schema can say of the issuers in tollgate.yaml, within a section and across them. The sections must stay
 * apart: an issuer that could speak for agents and for people would make one out of the other.
 */
import { X509Certificate } from 'node:crypto';
import { type ClaimSource, parseClaimSource } from './claim-path.ts';
import { type ConditionConfig, conditionFault } from './conditions.ts';
import { type IssuerKindName, issuerKinds, type Purpose } from './issuer-kinds/index.ts';
import { unfitUrl } from './issuer-url.ts';
import { normalTyp } from './jwt.ts';

export interface IssuerFault {
  /** JSON pointer from the root of the file. */
  readonly pointer: string;
  readonly message: string;
}

/** What every issuer has, whatever its tokens are for. */
interface AnyIssuer {
  readonly kind: IssuerKindName;
  readonly issuer?: string;
  readonly trust_domain?: string;
  readonly jwks_uri?: string;
  readonly ca?: string;
  readonly typ?: readonly string[];
  readonly conditions: readonly ConditionConfig[];
}

interface NamedIssuer extends AnyIssuer {
  readonly name: string;
  readonly audiences: readonly string[];
  readonly tenant?: string;
}

interface WorkloadIssuer extends NamedIssuer {
  readonly agent?: string;
  readonly cloud?: string;
}

interface SubjectIssuer extends NamedIssuer {
  readonly subject: string;
  readonly type: string;
}

interface AdminIssuer extends AnyIssuer {
  readonly audience: string;
  readonly role_claim: string;
  readonly person: string;
  readonly roles: Readonly<Record<string, readonly string[]>>;
}

/** The sections of identity that name issuers. */
export interface CheckedIdentity {
  readonly issuers: readonly WorkloadIssuer[];
  readonly subject_issuers: readonly SubjectIssuer[];
  readonly admin?: AdminIssuer;
}

/** `typ` of tokens that only the gate makes, or that prove a key and no identity. */
export const kindsOfTheGate: readonly string[] = ['txntoken+jwt', 'tollgate-checkpoint+jws', 'dpop+jwt'];

/** What a type of subject may be called, as in the body of a task request. */
export const subjectTypeForm = /^[a-z0-9_]{1,64}$/;

/** Says what is wrong with a member of an entry; an empty member is the entry itself. */
type Tell = (member: string, message: string) => void;

/**
 * What the schema cannot say of `issuers`, `subject_issuers` and `admin`. `publicUrl` is `gateway.public_url`: an
 * issuer of that name would turn the gate's own tokens into somebody else's.
 */
export function checkIdentity(config: CheckedIdentity, publicUrl?: string): IssuerFault[] {
  const faults: IssuerFault[] = [];
  const teller = (section: string): Tell => {
    return (member, message) => faults.push({ pointer: member === '' ? section : `${section}/${member}`, message });
  };
  const { issuers, subject_issuers: subjects, admin } = config;
  const workloadTellers = issuers.map((_, index) => teller(`/issuers/${index}`));
  const subjectTellers = subjects.map((_, index) => teller(`/subject_issuers/${index}`));
  for (const [index, entry] of issuers.entries()) checkWorkloadIssuer(entry, publicUrl, workloadTellers[index] as Tell);
  for (const [index, entry] of subjects.entries()) checkSubjectIssuer(entry, publicUrl, subjectTellers[index] as Tell);
  checkUnique(issuers, workloadTellers);
  checkUnique(subjects, subjectTellers);
  checkNames([...issuers, ...subjects], [...workloadTellers, ...subjectTellers]);
  for (const [index, entry] of subjects.entries()) {
    const shared = issuers
      .filter(({ issuer }) => isSameIssuer(issuer, entry.issuer))
      .flatMap(({ audiences }) => audiences);
    if (!entry.audiences.some((audience) => shared.includes(audience))) continue;
    const message = 'the same issuer vouches for workloads with this audience: a subject needs one of its own';
    subjectTellers[index]?.('audiences', message);
  }
  if (admin !== undefined) checkAdmin(admin, [...issuers, ...subjects], publicUrl, teller('/admin'));
  return faults;
}

function checkWorkloadIssuer(entry: WorkloadIssuer, publicUrl: string | undefined, tell: Tell): void {
  const { agent, tenant, cloud } = entry;
  if (!checkEntry(entry, 'workload', publicUrl, tell, { agent, tenant, cloud })) return;
  checkClaimPath('agent', agent, 'a literal would make every workload of this issuer one agent', tell);
  const defaults = issuerKinds[entry.kind].defaults(entry);
  for (const member of ['tenant', 'cloud'] as const) {
    if (entry[member] === undefined && defaults[member] === undefined) {
      tell('', `${member} is missing: the tokens of a ${entry.kind} issuer do not say it by themselves`);
    }
  }
}

function checkSubjectIssuer(entry: SubjectIssuer, publicUrl: string | undefined, tell: Tell): void {
  const { subject, type, tenant } = entry;
  if (!checkEntry(entry, 'subject', publicUrl, tell, { subject, type, tenant })) return;
  checkClaimPath('subject', subject, 'a literal would make everybody one subject', tell);
  if (!type.startsWith('claims.') && !subjectTypeForm.test(type)) {
    tell('type', 'expected a claim path, or 1 to 64 lower-case letters, digits and underscores');
  }
}

function checkAdmin(entry: AdminIssuer, others: readonly NamedIssuer[], publicUrl: string | undefined, tell: Tell) {
  const { person, role_claim, audience, roles } = entry;
  if (!checkEntry(entry, 'admin', publicUrl, tell, { person, role_claim })) return;
  checkClaimPath('person', person, 'a literal would make everybody one person', tell);
  checkClaimPath('role_claim', role_claim, 'a literal would give everybody the same roles', tell);
  if (others.some(({ issuer }) => isSameIssuer(issuer, entry.issuer))) {
    tell('issuer', 'this issuer vouches for agents or subjects too; the admin plane needs one of its own');
  }
  if (others.some(({ audiences }) => audiences.includes(audience))) {
    tell('audience', 'tokens of agents or subjects are made for this audience; the admin plane needs one of its own');
  }
  if (Object.values(roles).every((values) => values.length === 0)) tell('roles', 'nobody would have a role');
}

/** Faults of one entry; false where the kind does not fit at all, so that more would be said of nothing. */
function checkEntry(
  entry: AnyIssuer,
  purpose: Purpose,
  publicUrl: string | undefined,
  tell: Tell,
  read: Readonly<Record<string, string | undefined>>,
): boolean {
  const kind = issuerKinds[entry.kind];
  if (!kind.purposes.includes(purpose)) {
    tell('kind', `an issuer of kind ${entry.kind} vouches for workloads, not for people`);
    return false;
  }
  checkUrls(entry, publicUrl, tell);
  for (const { member, message } of kind.faults(entry)) tell(member, message);
  if (entry.typ?.some((typ) => kindsOfTheGate.includes(normalTyp(typ)))) {
    tell('typ', `${kindsOfTheGate.join(', ')} are kinds of the gate's own`);
  }
  for (const [member, text] of Object.entries(read)) {
    if (text !== undefined) checkSource(member, text, kind.chosenByWorkload, tell);
  }
  for (const [index, condition] of entry.conditions.entries()) {
    const fault = conditionFault(condition);
    if (fault === undefined) checkSource(`conditions/${index}/claim`, condition.claim, kind.chosenByWorkload, tell);
    else tell(`conditions/${index}`, fault);
  }
  return true;
}

function checkUrls(entry: AnyIssuer, publicUrl: string | undefined, tell: Tell): void {
  const { kind, issuer, trust_domain, jwks_uri, ca } = entry;
  if (issuer !== undefined) {
    if (publicUrl !== undefined && isSameIssuer(issuer, publicUrl)) tell('issuer', 'the gate vouches for nobody else');
    const unfit = unfitUrl(issuer, issuer);
    if (unfit !== undefined) tell('issuer', unfit);
  } else if (kind !== 'spiffe') {
    tell('', 'issuer is missing');
  }
  if (trust_domain !== undefined && kind !== 'spiffe') tell('trust_domain', 'is only for kind: spiffe');
  if (jwks_uri !== undefined) {
    // A trust domain has no URL whose security could be measured: the bundle endpoint stands for itself.
    const unfit = unfitUrl(jwks_uri, issuer ?? jwks_uri);
    if (unfit !== undefined) tell('jwks_uri', unfit);
  }
  if (ca !== undefined && !isCertificate(ca)) tell('ca', 'expected certificates in PEM');
}

function checkSource(member: string, text: string, chosen: readonly (readonly string[])[], tell: Tell): void {
  const source = parseClaimSource(text);
  if (source === undefined) {
    tell(member, `"${text}" is not a claim path: expected claims.name, names with dots in double quotes`);
  } else if (isUnder(source, chosen)) {
    tell(member, 'a workload fills this claim as it likes: it says nothing of who it is');
  }
}

/** Whether a path leads into one of `roots`. */
function isUnder(source: ClaimSource, roots: readonly (readonly string[])[]): boolean {
  return 'path' in source && roots.some((root) => root.every((part, index) => source.path[index] === part));
}

function checkClaimPath(member: string, text: string | undefined, message: string, tell: Tell): void {
  if (text !== undefined && !text.startsWith('claims.')) tell(member, `${message}: expected a claim path`);
}

function checkUnique(entries: readonly NamedIssuer[], tellers: readonly Tell[]): void {
  for (const [index, { issuer, trust_domain }] of entries.entries()) {
    const before = entries.slice(0, index);
    if (before.some((other) => isSameIssuer(other.issuer, issuer))) {
      tellers[index]?.('issuer', 'another entry has this issuer too; list its audiences in one entry');
    }
    if (trust_domain !== undefined && before.some((other) => other.trust_domain === trust_domain)) {
      tellers[index]?.('trust_domain', 'another entry has this trust domain too');
    }
  }
}

/** One name for one issuer, over the sections too: policies, the audit trail and suspensions know only the name. */
function checkNames(entries: readonly NamedIssuer[], tellers: readonly Tell[]): void {
  for (const [index, { name }] of entries.entries()) {
    const taken = entries.slice(0, index).some((other) => other.name === name);
    if (taken) tellers[index]?.('name', `another issuer is named "${name}" too`);
  }
}

/** Whether two URLs name one issuer, spelt differently or not; an issuer without a URL is nobody's equal. */
export function isSameIssuer(left: string | undefined, right: string | undefined): boolean {
  return left !== undefined && right !== undefined && comparableUrl(left) === comparableUrl(right);
}

function comparableUrl(url: string): string {
  return URL.canParse(url) ? new URL(url).href.replace(/\/+$/, '') : url;
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}
