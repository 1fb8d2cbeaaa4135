/**
 * The ledger of what Tollgate promises. A test that keeps a promise names its id in brackets in its title; the house
 * test is red while a promise is cited by no test, or a test cites an id that is not here. `source` says where the
 * promise comes from: a section of docs/architecture.md, a requirement of OWASP AISVS 1.0 (June 2026), an RFC, or the
 * complaint about other gateways that it answers.
 */

export interface PromiseEntry {
  /** What holds, as one sentence that a test can prove wrong. */
  readonly sentence: string;
  readonly source: string;
}

export const promises = {
  // ── identity ────────────────────────────────────────────────────────────────────────────────────────────────────
  'identity.alg-none': {
    sentence:
      'A token without a signature, or signed by an algorithm its issuer is not configured for, is unauthenticated.',
    source: 'RFC 8725 §3.1, §3.2',
  },
  'identity.unknown-issuer': {
    sentence: 'A workload token of an issuer that is not configured is unauthenticated, whatever it claims.',
    source: 'way of a call, identity; OWASP AISVS C9.6.6',
  },
  'identity.expired-token': {
    sentence: 'An expired token is unauthenticated, and nothing reaches the target.',
    source: 'RFC 8725 §3; RFC 9068 §4',
  },
  'identity.token-kinds-apart': {
    sentence:
      'A workload token or a Txn-Token shown in place of a task token is unauthenticated: their keys, types and audiences differ.',
    source: 'tokens; RFC 8725 §3.11, §3.12',
  },
  'identity.unknown-kids-do-not-fetch': {
    sentence: 'Many tokens with unknown key ids cause a bounded number of key fetches.',
    source: 'RFC 8725 §3.10; complaint: 200 random kids cause 200 fetches',
  },
  'identity.keys-of-all-gateways': {
    sentence: 'A task token of one gateway is good at every gateway on the same store, and services see one key set.',
    source: 'tokens: keys of the gate shared over gateways',
  },
  'identity.txn-token-one-call': {
    sentence:
      'A Txn-Token names the subject, the agent and the task of one call, lives at most 60 seconds, and verifies against the published keys of the gate.',
    source: 'tokens; draft-ietf-oauth-transaction-tokens',
  },
  // ── task ────────────────────────────────────────────────────────────────────────────────────────────────────────
  'task.nothing-outside-a-task': {
    sentence: 'No model, tool or agent is called without a task that is alive and belongs to the caller.',
    source: 'words: task; OWASP AISVS C9.4.2',
  },
  'task.foreign-id-is-unknown': {
    sentence: 'A task id of another agent or tenant is answered like one that does not exist.',
    source: 'what agents see: task life',
  },
  'task.kill-ends-running-calls': {
    sentence: 'Killing a task aborts its running calls, and no later call of it is admitted.',
    source: 'way of a call: kill epoch; OWASP AISVS C9.8.6',
  },
  'task.parallel-writes-see-each-other': {
    sentence:
      'Parallel calls that are not plain reads enter the history one after another, so that each is decided with the others in view.',
    source: 'way of a call: no check-then-act',
  },
  'task.equal-calls-loop': {
    sentence: 'Repeating an equal call beyond the limit is denied as task_looping, and the task stays alive.',
    source: 'denials; OWASP AISVS C9.1',
  },
  'task.thought-links-action': {
    sentence:
      'An action is linked to the thought that proposed it by the tool call id of the model, and says whether its arguments were changed.',
    source: 'words: thought, action; OWASP AISVS C9.4.2',
  },
  // ── policy ──────────────────────────────────────────────────────────────────────────────────────────────────────
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
  // ── budget ──────────────────────────────────────────────────────────────────────────────────────────────────────
  'budget.no-overspend': {
    sentence:
      'With budget for k calls exactly k of any number of parallel calls are admitted; overspend is 0 micro-dollars.',
    source: 'OWASP AISVS C9.1.1; complaint: parallel calls overspend',
  },
  'budget.settled-once': {
    sentence: 'Every reservation is settled exactly once: also on denial, abort, a broken stream and a fault.',
    source: 'way of a call: settlement',
  },
  'budget.never-settles-at-zero': {
    sentence: 'A model call whose usage is not reported is settled at an upper bound, never at 0.',
    source: 'complaint: streams without usage cost nothing',
  },
  'budget.streams-cut': {
    sentence:
      'A stream that goes on past what was reserved for it is cut there, ends properly, and is charged in full.',
    source: 'way of a call: budget, running count; denials',
  },
  'budget.exhausted-is-402': {
    sentence: 'A spent budget is answered with 402 and what remains, in a form that SDKs do not retry.',
    source: 'denials; OWASP AISVS C9.1.1',
  },
  // ── inspection ──────────────────────────────────────────────────────────────────────────────────────────────────
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
  // ── route and breaker ───────────────────────────────────────────────────────────────────────────────────────────
  'route.residency-is-hard': {
    sentence: 'Where no target lies in a permitted region or cloud, the call is denied and no other target is tried.',
    source: 'way of a call: residency is a hard limit',
  },
  'breaker.opens-per-task': {
    sentence: 'Consecutive failures of a task at one destination end in circuit_open after the limit.',
    source: 'way of a call: breaker; OWASP AISVS C9.1',
  },
  'breaker.opens-per-target': {
    sentence:
      'A target that keeps failing to connect, timing out or answering 5xx is not called until a probe succeeds.',
    source: 'way of a call: breaker',
  },
  // ── upstream ────────────────────────────────────────────────────────────────────────────────────────────────────
  'upstream.agent-token-never-forwarded': {
    sentence:
      'No header of a request to a target holds a token of the agent; it holds the credential and the Txn-Token of the gate.',
    source: 'tokens: never passed on; MCP authorization: no token passthrough',
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
  // ── audit ───────────────────────────────────────────────────────────────────────────────────────────────────────
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
  // ── the gate as a whole ─────────────────────────────────────────────────────────────────────────────────────────
  'pipeline.faults-refuse': {
    sentence:
      'A stage that throws, hangs or returns garbage ends in a refusal: settled once, audited, and no byte upstream before the exchange.',
    source: 'way of a call: fail closed',
  },
  'wire.unchanged-bytes': {
    sentence: 'What nothing changed goes to the target byte for byte.',
    source: 'way of a call: wire',
  },
  'wire.arguments-validated': {
    sentence:
      'Arguments that do not fit the operation are denied as args_invalid, and a path that fits no operation as operation_unknown.',
    source: 'what agents see: HTTP tools; OWASP AISVS C9.6.1',
  },
  'server.drains': {
    sentence: 'On SIGTERM the gate is not ready, streams end in their own time, and then it leaves.',
    source: 'what agents see: health',
  },
  'server.hostile-framings': {
    sentence:
      'A request whose framing two readers could understand differently reaches no target, nor does what stands behind it.',
    source: 'RFC 9112 §6.3, §11.2; facts measured: HTTP',
  },
  'server.slow-clients': {
    sentence: 'Slow and half-open clients hold no connection beyond the limit, and the others are served meanwhile.',
    source: 'operating it: limits and slow-client protection',
  },
  'server.mtls': {
    sentence: 'Where client certificates are required, nobody gets an answer without one of the configured authority.',
    source: 'operating it: TLS and mTLS listeners',
  },
  'config.reload-drops-nothing': {
    sentence: 'A changed configuration comes into force without a failed request, and each reload is recorded.',
    source: 'complaint: a reload under load drops requests; tollgate.yaml',
  },
  'config.wrong-change-refused': {
    sentence:
      'A wrong change at run time is refused with every fault and its line, and the running configuration stays.',
    source: 'tollgate.yaml',
  },
  'cli.packed': {
    sentence: 'The packed package, installed in a fresh folder, checks a configuration, starts, is ready, and stops.',
    source: 'operating it: npm pack',
  },
  'config.all-faults-listed': {
    sentence: 'A wrong configuration stops the start with every fault listed, each with its line.',
    source: 'tollgate.yaml',
  },
} as const satisfies Record<string, PromiseEntry>;

export type PromiseId = keyof typeof promises;
