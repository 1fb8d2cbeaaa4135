/** What is promised of policy. */
import type { PromiseEntry } from './promise.ts';

export const policyPromises = {
  'policy.default-deny': {
    sentence: 'What no rule allows is denied, and nothing reaches the target.',
    source: 'what policy authors see: undefined is deny; OWASP AISVS C9.6.1',
  },
  'policy.fails-closed': {
    sentence: 'Without a policy, with one that throws, and with a decision of the wrong shape, every call is denied.',
    source: 'way of a call: fail closed',
  },
  'policy.final-arguments': {
    sentence:
      'The decision is made on the arguments the target would get; only its obligations change them afterwards.',
    source: 'way of a call; complaint: policies that saw other arguments than were sent',
  },
  'policy.unknown-obligation-denies': {
    sentence: 'An obligation the gate does not know is a denial.',
    source: 'what policy authors see: decision',
  },
  'policy.sums-over-the-task': {
    sentence:
      'Writes that are each within a limit and only together over it are denied, with a reason the agent can act on.',
    source: 'what policy authors see: facts; OWASP AISVS C9.6.1',
  },
} as const satisfies Record<string, PromiseEntry>;
