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
  'upstream.as-the-vendors-sdk': {
    sentence:
      "A request goes to each provider of models as that vendor's own SDK sends it, and its answer comes back as the API of the agent has it.",
    source: 'model calls: providers',
  },
  'upstream.decided-members-only': {
    sentence:
      'No member of a body that only the provider reads goes to it unless it was a parameter that was decided on.',
    source: 'way of a call: the policy decides on the final arguments',
  },
  'upstream.frames-whole-or-not': {
    sentence:
      'Nothing of a damaged, endless or unfinished message of an event stream reaches an agent; the stream has broken off.',
    source: 'model calls: streams, AWS event stream',
  },
  'upstream.retry-refused': {
    sentence:
      'What a target refused as a whole is sent to another one, and the answer of the last passes as it is when all refuse.',
    source: 'design: retries; complaint: fallback only before the first byte',
  },
  'upstream.retry-before-first-byte': {
    sentence: 'Nothing is sent again once an answer has begun, nor what may have taken effect or be billed.',
    source: 'complaint: fallback only before the first byte',
  },
  'upstream.retry-budget': {
    sentence: 'What is sent again is bounded, for each route, by a share of its calls.',
    source: 'design: retries',
  },
  'upstream.keys-in-turn': {
    sentence:
      'Several keys of a target are used in turn; one whose quota is used up, or that is not accepted, rests, and the trail names the one that was used.',
    source: 'design: rate limits and keys',
  },
  'upstream.mcp-program-is-confined': {
    sentence:
      'A program that serves MCP gets the environment of its configuration and PATH, and nothing of that of the gate; it ends with the gate.',
    source: 'design: tools, programs without inheritance',
  },
  'upstream.mcp-session-of-all-gateways': {
    sentence:
      'A session with a server of an older version of MCP belongs to one task, and whichever gateway of the store gets a call goes on with it.',
    source: 'design: tools, no sticky sessions',
  },
} as const satisfies Record<string, PromiseEntry>;
