/**
 * Whether a cloud could take for the gate's assertion what an agent holds. Clouds look at issuer, subject and audience,
 * and not at `typ`: with the audience of task tokens an agent could show its own, whose subject it may have named itself.
 */
import { publicUrlOf } from '../server/section.ts';
import type { Config } from './schema.ts';

/** Kinds whose `audience` is that of the assertion; with all others it is a parameter of the request. */
const ofAssertion: ReadonlySet<string> = new Set(['aws-web-identity', 'azure-federated']);

/** Faults by JSON pointers from the root: credentials whose assertions have the audience of tokens that agents or services hold. */
export function checkAssertionAudiences({
  gateway,
  credentials,
}: Pick<Config, 'gateway' | 'credentials'>): { readonly pointer: string; readonly message: string }[] {
  const taken = new Set([publicUrlOf(gateway), gateway.trust_domain].map(withoutSlash));
  return Object.entries(credentials).flatMap(([name, credential]) => {
    const members: Readonly<Record<string, unknown>> = { ...credential };
    const names = ['assertion_audience', ...(ofAssertion.has(credential.kind) ? ['audience'] : [])];
    return names.flatMap((member) => {
      const audience = members[member];
      if (typeof audience !== 'string' || !taken.has(withoutSlash(audience))) return [];
      const message = 'task tokens or Txn-Tokens are made for this audience; what the gate shows needs one of its own';
      return [{ pointer: `/credentials/${name}/${member}`, message }];
    });
  });
}

function withoutSlash(text: string): string {
  return text.replace(/\/+$/, '');
}
