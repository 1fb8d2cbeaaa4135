/** `tollgate task ls`: the tasks of a gate's store, newest first. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import { type Command, Usage } from './command.ts';
import { table } from './table.ts';

export interface TaskSummary {
  readonly id: string;
  readonly state: string;
  readonly tenant: string;
  readonly agent: string;
  readonly issuer: string;
  readonly subject: { readonly id: string; readonly type: string; readonly assurance: string } | null;
  readonly purpose: string;
  readonly parent: { readonly id: string; readonly agent: string } | null;
  readonly created_at: string;
  readonly expires_at: string;
}

interface Page {
  readonly tasks: readonly TaskSummary[];
  readonly next_cursor: string | null;
}

const pageMax = 200;
const limitDefault = 50;

export const taskLs: Command = {
  help: `usage: tollgate task ls [--tenant T] [--agent A] [--state S] [--limit N] [--cursor C] [--json] (--config F | --admin-url U)

Lists tasks, newest first: N of them (${limitDefault}), from C on, where the list before ended. S is one of active, paused,
completed, killed, expired. Takes the role auditor or operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        ...adminOptions,
        tenant: { type: 'string' },
        agent: { type: 'string' },
        state: { type: 'string' },
        limit: { type: 'string' },
        cursor: { type: 'string' },
      },
    });
    const { tenant, agent, state, limit = String(limitDefault), json } = values;
    if (!/^[1-9][0-9]{0,5}$/.test(limit)) throw new Usage('--limit must be a whole number from 1 to 999999');
    const client = await connect(values, surroundings);
    const tasks: TaskSummary[] = [];
    let cursor = values.cursor ?? null;
    do {
      const wanted = String(Math.min(pageMax, Number(limit) - tasks.length));
      const query = { tenant, agent, state, limit: wanted, cursor: cursor ?? undefined };
      const page: Page = await client.get<Page>('/tasks', query);
      tasks.push(...page.tasks);
      if (page.next_cursor !== null && page.next_cursor === cursor) throw new Error('the gate leads in a circle');
      cursor = page.next_cursor;
    } while (cursor !== null && tasks.length < Number(limit));
    if (json) surroundings.out(JSON.stringify({ tasks, next_cursor: cursor }, null, 2));
    else {
      const rows = tasks.map((task) => [
        ...[task.id, task.state, task.tenant, `${task.issuer}/${task.agent}`, task.subject?.id],
        ...[task.purpose, task.created_at, task.expires_at],
      ]);
      surroundings.out(table(['TASK', 'STATE', 'TENANT', 'AGENT', 'SUBJECT', 'PURPOSE', 'CREATED', 'EXPIRES'], rows));
      if (cursor !== null) surroundings.out(`more: --cursor ${cursor}`);
    }
    return 0;
  },
};
