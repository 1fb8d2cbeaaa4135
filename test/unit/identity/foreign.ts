/** Issuers of any kind over keys in memory, with verifiers of all three purposes: one pair signs for all of them. */
import type { Agent, Json } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { PeopleVerifier } from '../../../src/identity/people.ts';
import { SubjectVerifier } from '../../../src/identity/subject.ts';
import { WorkloadVerifier } from '../../../src/identity/workload.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { ecPair, FakeDocuments, forge, type Pair, publicJwk, rsaPair } from './forge.ts';
import { identityOf } from './sections.ts';

export const rsa = rsaPair();
export const ec = ecPair();
export const stranger = rsaPair();

export const agent: Agent = {
  id: 'coordinator',
  issuer: 'azure',
  tenant: 'acme',
  cloud: 'azure',
  claims: { iss: 'https://azure.test' },
  actors: [],
  verifiedAtMs: 0,
};

export interface Made {
  readonly header?: Record<string, unknown>;
  readonly claims: Record<string, unknown>;
  readonly pair?: Pair;
}

export function openForeign(
  sections: Parameters<typeof identityOf>[0],
  documents: Readonly<Record<string, Json | (() => Promise<Json>)>>,
) {
  const clock = new ManualClock();
  const fake = new FakeDocuments(documents);
  const { issuers, subject_issuers: subjectIssuers, admin } = identityOf(sections);
  const surroundings = { fetchJson: fake.fetchJson, clock };
  const workloads = new WorkloadVerifier({ ...surroundings, issuers, subjectIssuers });
  const subjects = new SubjectVerifier({ ...surroundings, issuers, subjectIssuers });
  const people = admin === undefined ? null : new PeopleVerifier({ ...surroundings, admin });
  const now = () => Math.floor(clock.nowMs() / 1000);
  /** RS256 by the first pair, valid for ten minutes; `undefined` takes a claim or header member away. */
  const token = ({ header = {}, claims, pair = rsa }: Made): string =>
    forge({
      header: { alg: 'RS256', typ: 'JWT', kid: 'k', ...header },
      claims: { iat: now() - 10, exp: now() + 600, ...claims },
      key: pair.privateKey,
    });
  const told = (answer: unknown): string => {
    if (!isDenial(answer)) return 'accepted';
    return answer.reasons[0]?.code ?? answer.code;
  };
  return {
    ...{ clock, now, fake, workloads, subjects, people, token },
    workload: async (made: Made) => told(await workloads.verify(token(made))),
    subject: async (made: Made, by: Agent = agent) => told(await subjects.verify(token(made), by)),
    person: async (made: Made) => told(await people?.verify(token(made))),
  };
}

export const keysDocument: Json = { keys: [publicJwk(rsa, { kid: 'k' }), publicJwk(ec, { kid: 'e' })] };
