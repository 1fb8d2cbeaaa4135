/** What is promised of task. */
import type { PromiseEntry } from './promise.ts';

export const taskPromises = {
  'task.nothing-outside-a-task': {
    sentence: 'No model, tool or agent is called without a task that is alive and belongs to the caller.',
    source: 'words: task; OWASP AISVS C9.4.2',
  },
  'task.foreign-id-is-unknown': {
    sentence: 'A task id of another agent or tenant is answered like one that does not exist.',
    source: 'what agents see: task life',
  },
  'task.part-same-subject': {
    sentence:
      'A part of a task is on behalf of the subject of the whole, as it is vouched for there, and of nobody else.',
    source: 'what agents see: renew, narrow; RFC 8693 §1.1',
  },
  'task.narrowed-never-widens': {
    sentence:
      'A token that is narrowed to some tools of its task begets no token and no part with others, and does not end the task.',
    source: 'what agents see: renew, narrow; RFC 8693 §2.1',
  },
  'task.delegation-for-one-agent': {
    sentence:
      'A delegation token gives one named agent a part of the task within a minute, and opens nothing else to anybody.',
    source: 'what agents see: renew, narrow; RFC 8693 §4.4',
  },
  'task.suspended-gets-no-token': {
    sentence: 'A suspended agent opens no task, and gets no token for one that it has.',
    source: 'denials: agent_suspended',
  },
  'task.plan-is-kept': {
    sentence:
      'Of a task with a plan no call goes that is not on it, comes too early, once too often, or with other arguments; what may go next is told.',
    source: 'what agents see: plan; OWASP AISVS C9.6.1',
  },
  'task.plan-only-narrows': {
    sentence:
      'The plan of a task lets nothing through that the agent did not declare, the policy did not grant, or the task above may not call.',
    source: 'what agents see: plan; OWASP AISVS C9.4.2',
  },
  'task.reading-taints': {
    sentence:
      'What an operation is said to read taints its task and all above it before the call is sent; what nobody has said of it is untrusted, and sends outside.',
    source: 'way of a call: declared taint is set at admission',
  },
  'task.taint-into-the-next-task': {
    sentence:
      'For at least the configured time after a tainted task last called something or ended, a new task of its agent begins with that taint at every gateway, whatever the policy grants.',
    source: 'words: taint; OWASP AISVS C9.4.2',
  },
  'task.checkpoint-own': {
    sentence:
      'The checkpoint of a task is written by its agent alone, and read by it, by its parent and by the next task of that agent for the same subject; a narrowed token does neither.',
    source: 'what agents see: checkpoint',
  },
  'task.checkpoint-one-writer': {
    sentence:
      'Of parallel writes of a checkpoint that name one state of it exactly one is made, at whichever gateways.',
    source: 'what agents see: checkpoint; RFC 9110 §13.1',
  },
  'task.checkpoint-sealed': {
    sentence:
      'Who reads the store reads no checkpoint, and one that was changed there or put under another task is not given out.',
    source: 'what agents see: checkpoint, encrypted at rest',
  },
  'task.checkpoint-taints': {
    sentence:
      'Whoever reads a checkpoint catches the taint its task had: the task that reads it, or the next task of an agent that reads it without one.',
    source: 'what agents see: checkpoint carries the taint to whoever resumes',
  },
  'task.checkpoint-regions': {
    sentence:
      'A checkpoint is written and read only at gateways in regions that every decision on a call of its task has left open.',
    source: 'what agents see: checkpoint, bound to the regions of the task',
  },
  'task.checkpoint-recorded': {
    sentence:
      'A checkpoint that holds a secret is refused; every write, read and refusal of its contents is recorded, the contents never.',
    source: 'what agents see: checkpoint, inspected',
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
  'task.circles-end': {
    sentence:
      'Equal calls, one prompt again and again, two or three calls in turn, refusals and failures without end: in one task each ends within the configured number of calls, is told of with since when, and leaves the task alive.',
    source: 'denials: task_looping; OWASP AISVS C9.1.3',
  },
  'task.circles-end-over-tasks': {
    sentence:
      'A new task is no way out of a circle: over any number of tasks of one agent, equal model calls and writes, refusals and failures end within their configured number.',
    source: 'denials: task_looping; OWASP AISVS C9.1.2',
  },
  'task.waiting-is-no-circle': {
    sentence:
      'Who waits for something, reads a list page by page, or comes again when it was told to is not taken for one that runs in circles.',
    source: 'denials: task_looping',
  },
  'task.thought-links-action': {
    sentence:
      'An action is linked to the thought that proposed it by the tool call id of the model, and says whether its arguments were changed.',
    source: 'words: thought, action; OWASP AISVS C9.4.2',
  },
  'task.suspension-refuses-at-every-gateway': {
    sentence:
      'Once an agent, a tenant, an issuer or a route is suspended, its next call is refused at every gateway of the store, and its tasks go on after it is resumed.',
    source: 'denials: agent_suspended; OWASP AISVS C9.8.6',
  },
  'task.suspension-seen-before-the-send': {
    sentence: 'What is suspended after a call was admitted and before it is sent is not sent.',
    source: 'way of a call: no check-then-act',
  },
  'task.suspension-cuts-streams': {
    sentence: 'Running calls and streams of whom, or to where, is suspended are cut within a second at every gateway.',
    source: 'way of a call: kill epoch; OWASP AISVS C9.8.6',
  },
  'task.suspension-fails-closed': {
    sentence: 'Where it cannot be told whether an agent is suspended, it calls nothing.',
    source: 'way of a call: fail closed',
  },
  'task.list-neither-skips-nor-repeats': {
    sentence: 'Pages of the list of tasks neither skip nor repeat a task that was there throughout.',
    source: 'complaint: lists with pages are truncated',
  },
  'task.outcome-counts-once': {
    sentence: 'The outcome of a call goes into the totals of its task once, however often it is written.',
    source: 'way of a call: settlement, always, once',
  },
  'task.ending-outlives-the-store': {
    sentence: 'A call that ended while the store was away is settled in its task once the store is back.',
    source: 'way of a call: settlement, always, once',
  },
  'task.revocation-kills': {
    sentence: 'Revoking the token of a task kills the task and all its parts, and is recorded.',
    source: 'tokens; RFC 7009 §2.1',
  },
  'task.token-revoked-alone': {
    sentence: 'A narrowed token that is revoked calls nothing more, and its task goes on.',
    source: 'tokens; RFC 7009 §2.1',
  },
  'task.revocation-tells-strangers-nothing': {
    sentence: 'Revoking a token that is unknown, over, or another agent’s is a success that does nothing.',
    source: 'RFC 7009 §2.2',
  },
  'task.introspection-tells-what-is-now': {
    sentence: 'A token is active to its agent and to the task above exactly as long as the gate would take it.',
    source: 'RFC 7662 §2.2',
  },
  'task.introspection-tells-strangers-nothing': {
    sentence: 'Of a token that is not theirs, or not good now, everybody is told the same: that it is not active.',
    source: 'RFC 7662 §2.2, §4',
  },
  'task.exact-thought': {
    sentence:
      'Where a policy asks for it, a write goes only as a tool call that the gate has seen a model propose, with its arguments, once.',
    source: 'AISVS 9.6.1; design: thought and action',
  },
  'task.reported-is-never-exact': {
    sentence: 'What an agent reports, or puts into the messages of a model as said by it, is never an exact thought.',
    source: 'design: thought and action',
  },
} as const satisfies Record<string, PromiseEntry>;
