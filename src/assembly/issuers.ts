/**
 * The verifiers of everything that others sign, each with a cache of keys of its own. They dial for themselves: what
 * may be asked for keys is no target, and the other way round; and an authority that one issuer's servers are trusted
 * by is trusted for that issuer alone.
 */
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import type { FetchJson, KnownKeys } from '../identity/key-source.ts';
import { PeopleVerifier } from '../identity/people.ts';
import { SubjectVerifier } from '../identity/subject.ts';
import { keyUrls } from '../identity/trusted.ts';
import { WorkloadVerifier } from '../identity/workload.ts';
import type { Log } from '../telemetry/log.ts';
import { allowedHost, Dialer } from '../upstream/dialer.ts';

export interface Issuers {
  readonly workloads: WorkloadVerifier;
  readonly subjects: SubjectVerifier;
  /** Null where no issuer of people is configured: then a file holds the token of the admin plane. */
  readonly people: PeopleVerifier | null;
  [Symbol.asyncDispose](): Promise<void>;
}

export type IssuersOfConfig = Pick<Config, 'issuers' | 'subject_issuers' | 'admin'>;

/** What of a configuration the verifiers follow from. */
export function issuersOf({ issuers, subject_issuers, admin }: Config): IssuersOfConfig {
  return { issuers, subject_issuers, ...(admin === undefined ? {} : { admin }) };
}

/** What the verifiers of every configuration have in common. */
export interface IssuerSurroundings {
  readonly clock: Clock;
  readonly log: Log;
  /** Keys that an earlier configuration had. */
  readonly known: Map<string, KnownKeys>;
}

/** Opens no connection before the first token. */
export function openIssuers(config: IssuersOfConfig, { clock, log, known }: IssuerSurroundings): Issuers {
  const { issuers, subject_issuers: subjectIssuers, admin } = config;
  const urls = keyUrls([...issuers, ...subjectIssuers, ...(admin === undefined ? [] : [admin])]);
  const dialers = new Map<string | undefined, Dialer>();
  for (const [ca, group] of Map.groupBy(urls, (one) => one.ca)) {
    const allow = group.map(({ url }) => allowedHost(url));
    dialers.set(ca, new Dialer({ clock, allow, ...(ca === undefined ? {} : { ca }) }));
  }
  const fetchJson: FetchJson = async (url, { ca, ...bounds }) => {
    const dialer = dialers.get(ca);
    if (dialer === undefined) throw new Error('no issuer is fetched from with these certificates');
    return dialer.fetchJson(url, bounds);
  };
  const faulted = (issuer: string, fault: unknown) =>
    log('warn', 'the keys of an issuer cannot be fetched; those it had serve on for an hour', {
      issuer,
      fault: fault instanceof Error ? fault.message : String(fault),
    });
  const surroundings = { fetchJson, clock, faulted, known };
  return {
    workloads: new WorkloadVerifier({ ...surroundings, issuers, subjectIssuers }),
    subjects: new SubjectVerifier({ ...surroundings, issuers, subjectIssuers }),
    people: admin === undefined ? null : new PeopleVerifier({ ...surroundings, admin }),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...dialers.values()].map((dialer) => dialer[Symbol.asyncDispose]()));
    },
  };
}
