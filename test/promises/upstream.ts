/** What is promised of upstream. */
import type { PromiseEntry } from './promise.ts';

export const upstreamPromises = {
  'upstream.agent-token-never-forwarded': {
    sentence:
      'No header of a request to a target holds a token of the agent; it holds the credential and the Txn-Token of the gate.',
    source: 'tokens: never passed on; MCP authorization: no token passthrough',
  },
  'upstream.no-credential-no-call': {
    sentence:
      'Where the credential for a target cannot be got nothing is sent, and the token service is not asked again for each call.',
    source: 'way of a call: fail closed; credentials towards targets',
  },
  'upstream.sessions-per-task': {
    sentence:
      'Where a cloud is told the task, two tasks never share a session, and a subject that is only asserted is told as such.',
    source: 'credentials towards targets; AWS session tags',
  },
  'upstream.signed-as-sent': {
    sentence: 'A request that is signed for its target arrives byte for byte as it was signed.',
    source: 'credentials towards targets; AWS Signature Version 4',
  },
  'upstream.credentials-untold': {
    sentence: 'No key, token or assertion of the gate is in a log line, an error, a denial or an answer.',
    source: 'way of a call; OWASP AISVS C9.6.6',
  },
  'upstream.only-configured-hosts': {
    sentence: 'Nothing is dialled but configured hosts, and no name that resolves to a link-local or metadata address.',
    source: 'way of a call: one dialer',
  },
  'upstream.no-redirects': {
    sentence: 'A redirect is not followed, and its absolute location does not reach the agent.',
    source: 'way of a call: no redirects with credentials',
  },
  'upstream.abort-before-headers': {
    sentence: 'A call that is given up before the answer begins closes the connection to the target within 200 ms.',
    source: 'complaint: an abort before the headers leaves the target at work',
  },
} as const satisfies Record<string, PromiseEntry>;
