/** What is promised of audit. */
import type { PromiseEntry } from './promise.ts';

export const auditPromises = {
  'audit.admin-deeds': {
    sentence:
      'Who kills, suspends, resumes, rotates a key or erases stands in the trail, with what and why, before it is answered; so does who reads payloads or exports.',
    source: 'what auditors see: events; OWASP AISVS C9.4.3',
  },
  'audit.intent-before-send': {
    sentence:
      'No byte of a write leaves the gate before its intent is durable; a denied call has one denial and no intent.',
    source: 'way of a call; OWASP AISVS C9.4.3',
  },
  'audit.every-intent-has-an-outcome': {
    sentence: 'Every intent gets one outcome; after a crash in between it shows as interrupted.',
    source: 'way of a call; OWASP AISVS C9.4.3',
  },
  'audit.changed-byte-is-seen': {
    sentence: 'Verification finds one changed byte in any event and names the event.',
    source: 'what auditors see; OWASP AISVS C9.4.3',
  },
  'audit.tail-cut-is-seen': {
    sentence: 'Verification finds that the last events are missing.',
    source: 'what auditors see; complaint: deleted last rows stay unnoticed',
  },
  'audit.rebuilt-chain-is-seen': {
    sentence: 'A chain rebuilt by somebody who owns the whole data folder does not match a checkpoint kept elsewhere.',
    source: 'what auditors see: checkpoints that the auditor holds',
  },
  'audit.no-payload-in-events': {
    sentence: 'An event commits to arguments by a keyed digest and holds neither payloads nor findings in clear.',
    source: 'what auditors see: commitments',
  },
  'audit.answers-are-kept': {
    sentence:
      'What an answer was decided on is kept beside its outcome, redacted, with the decision: also of answers that were refused or streamed.',
    source: 'issue of policies: answers in replay; OWASP AISVS C9.4.3',
  },
  'audit.proposed-and-executed': {
    sentence:
      'The trail says of each proposed tool call which call carried it out, or that none did, and of each action whether a model proposed it.',
    source: 'AISVS 9.4.3; design: thought and action',
  },
} as const satisfies Record<string, PromiseEntry>;
