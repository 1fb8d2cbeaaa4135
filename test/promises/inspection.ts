/** What is promised of inspection. */
import type { PromiseEntry } from './promise.ts';

export const inspectionPromises = {
  'inspection.pii-does-not-reach-the-model': {
    sentence: 'An e-mail address, card number or IBAN that the policy redacts does not reach the model.',
    source: 'way of a call: inspection',
  },
  'inspection.streams-leak-nothing': {
    sentence:
      'What the policy redacts does not reach the agent in a stream either, in text or tool arguments, however it is split.',
    source: 'way of a call: inspection while it streams; complaint: streams and tool arguments are not inspected',
  },
  'inspection.secrets-blocked': {
    sentence: 'An API key in a request that the policy blocks is denied, and the denial does not repeat it.',
    source: 'denials: a message never holds what it complains of; OWASP AISVS C9.6',
  },
} as const satisfies Record<string, PromiseEntry>;
