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
  'policy.faults-told-by-line': {
    sentence:
      'Names that exist nowhere, places that the input does not have, data of the wrong shape and writes that rest on ' +
      'assertions alone are refused at load, with file and line.',
    source: 'complaint: a misspelt operation in a policy is found when it should have fired',
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
  'policy.replay-rebuilds': {
    sentence:
      'What an input was built without is put back for a candidate that refers to it exactly as it was, or the decision is counted as uncertain.',
    source: 'issue of policies: input built from what a bundle refers to, so that replay can rebuild it',
  },
  'policy.replay-decides-answers': {
    sentence:
      'Replaying recorded answers finds every one that a candidate would let pass or stop otherwise, and no other.',
    source: 'issue of policies: answers in replay',
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
  'policy.authzen-open': {
    sentence: 'Members of an AuthZEN question that nobody knows are ignored, and the answer names them.',
    source: 'OpenID AuthZEN Authorization API 1.0, JSON Serialization',
  },
  'policy.authzen-agrees': {
    sentence: 'By AuthZEN 1.0 others learn what the policy would say of a call, and asking has no effect.',
    source: 'OpenID AuthZEN Authorization API 1.0',
  },
  'policy.data-set-aside': {
    sentence: 'Data of a bundle is set in a thread of its own, and what it decides does not differ for it.',
    source: 'issue of policies: data is loaded off the main thread and swapped',
  },
  'policy.one-revision-a-decision': {
    sentence:
      'Policies are swapped as a whole: no evaluation sees a rule or a value of one revision beside one of another.',
    source: 'issue of policies: a hundred swaps under load with marks',
  },
  'policy.flat-memory': {
    sentence: 'Memory does not grow with the number of decisions, also where policies throw.',
    source: 'issue of policies: a million evaluations with flat memory',
  },
  'policy.proved-against-opa': {
    sentence:
      'A bundle is built only if its WASM decides as OPA does, on inputs that make its rules fire and not fire.',
    source: 'what policy authors see: what runs is proved against `opa eval` before it is activated',
  },
  'policy.candidate-only-shadows': {
    sentence: 'A candidate that was just published decides about nobody: it is asked beside the bundle in force.',
    source: 'what policy authors see: rollout',
  },
  'policy.canary-is-steady': {
    sentence:
      'Who is in a canary follows from agent and subject: the same side in every call and at every gateway, and a ' +
      'higher percent only adds.',
    source: 'what policy authors see: rollout; complaint: a canary by request, in which a task sees both policies',
  },
  'policy.rolls-back-by-itself': {
    sentence:
      'A candidate that denies or fails more than it may is taken back at every gateway, and the trail says why.',
    source: 'what policy authors see: rollout',
  },
  'policy.rollout-fails-to-stable': {
    sentence:
      'Where the state of a rollout was never read, cannot be read, or is about another candidate, the bundle in ' +
      'force decides.',
    source: 'way of a call: fail closed',
  },
  'policy.explained': {
    sentence: 'For an input that is tried, exactly the rules that held are told as fired, by file and line.',
    source: 'what policy authors see: the playground',
  },
  'policy.playground-inputs': {
    sentence: 'Every decision whose input is kept whole is listed for policy authors and auditors, by filter and page.',
    source: 'what policy authors see: the playground',
  },
  'policy.playground-input': {
    sentence: 'A recorded input is shown as it was decided on, redacted, and the trail says who looked at it.',
    source: 'what policy authors see: the playground',
  },
  'policy.playground-no-effect': {
    sentence: 'An evaluation in the playground says what the gate would decide, and leaves nothing but its record.',
    source: 'what policy authors see: the playground',
  },
  'policy.playground-rules': {
    sentence: 'An evaluation tells the rules that fired, and whether OPA decides as the compiled policies do.',
    source: 'what policy authors see: the playground',
  },
  'policy.decision-logs-as-opa': {
    sentence:
      'Decisions and status leave in the formats of OPA, with the members, masks and drops that a real OPA sends of the ' +
      'same decisions.',
    source: 'what policy authors see: decision logs; OPA, Decision Log Service API and Status Service API',
  },
  'policy.decision-logs-redacted': {
    sentence:
      'A reported decision holds no personal data that the gate recognises, whatever the bundle masks or does not.',
    source: 'what policy authors see: decision logs leave masked by default',
  },
  'policy.decision-logs-withheld': {
    sentence:
      'Where mask, drop or redaction fails, a decision is reported without its input and its reasons, and counted.',
    source: 'way of a call: fail closed',
  },
} as const satisfies Record<string, PromiseEntry>;
