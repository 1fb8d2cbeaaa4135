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
  'policy.signed-bundles': {
    sentence: 'Where signing keys are configured, no bundle decides that is not exactly what one of them signed.',
    source: 'what policy authors see: bundles; GHSA-g2pf-6v5v-qcc8',
  },
  'policy.last-good-bundle': {
    sentence: 'Whatever a bundle server answers, or does not, the last good bundle goes on deciding.',
    source: 'what policy authors see: bundles',
  },
  'policy.no-way-back': {
    sentence: 'A bundle that counts itself lower than the last one, or that has expired, does not come into force.',
    source:
      'complaint: an old, signed bundle played back to a gateway; The Update Framework, rollback and freeze attacks',
  },
  'policy.sums-over-the-task': {
    sentence:
      'Writes that are each within a limit and only together over it are denied, with a reason the agent can act on.',
    source: 'what policy authors see: facts; OWASP AISVS C9.6.1',
  },
  'policy.replay-finds-every-flip': {
    sentence:
      'Replaying recorded inputs finds every decision that a candidate would make otherwise, and no other; the policies in force change nothing.',
    source: 'what policy authors see: replay; issue of policies: change them without fear',
  },
  'policy.suggest-least-toolset': {
    sentence: 'What is proposed for a purpose lets through what it used, and nothing that was refused.',
    source: 'what policy authors see: suggest; OWASP AISVS C9.6.1',
  },
  'policy.lethal-trifecta': {
    sentence:
      'A task that has read private data and untrusted text sends nothing outside once the shipped policy enforces it, and until then each such call is marked in the trail.',
    source: 'issue: history, facts and taint; OWASP AISVS C9.6.1',
  },
  'policy.check-agrees': {
    sentence: 'What an agent is told of a call that it only checks is what the call would get if it came next.',
    source: 'what agents see: check',
  },
  'policy.check-has-no-effect': {
    sentence: 'To check a call changes nothing of the task, its budgets or any target, and leaves one event.',
    source: 'what agents see: check',
  },
  'policy.authzen-agrees': {
    sentence: 'By AuthZEN 1.0 others learn what the policy would say of a call, and asking has no effect.',
    source: 'OpenID AuthZEN Authorization API 1.0',
  },
  'policy.proved-against-opa': {
    sentence:
      'A bundle is built only if its WASM decides as OPA does, on inputs that make its rules fire and not fire.',
    source: 'what policy authors see: what runs is proved against `opa eval` before it is activated',
  },
} as const satisfies Record<string, PromiseEntry>;
