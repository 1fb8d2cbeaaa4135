/** `tollgate task show`: one task, with its budget. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import { type Command, oneArgument } from './command.ts';
import { list, table } from './table.ts';
import type { TaskSummary } from './task-ls.ts';

type Spending = Readonly<Record<'tokens' | 'cost_usd' | 'calls' | 'seconds', number>>;

export interface TaskDocument extends TaskSummary {
  readonly tools: readonly string[] | null;
  readonly taint: readonly string[];
  readonly budget: Readonly<Record<'limit' | 'reserved' | 'spent' | 'remaining', Spending>>;
}

const levels = ['limit', 'reserved', 'spent', 'remaining'] as const;
const columns = ['tokens', 'cost_usd', 'calls', 'seconds'] as const;

export const taskShow: Command = {
  help: `usage: tollgate task show TASK [--json] (--config F | --admin-url U)

Shows a task: whose it is, for whom, what it may use and what it has spent. Takes the role auditor or operator. What
happened in it: GET /audit/tasks/{id} on the admin plane.

${adminHelp}`,
  async run(argv, surroundings) {
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options: adminOptions });
    const id = oneArgument('TASK', positionals);
    const client = await connect(values, surroundings);
    const task = await client.get<TaskDocument>(`/tasks/${encodeURIComponent(id)}`);
    surroundings.out(values.json ? JSON.stringify(task, null, 2) : shown(task));
    return 0;
  },
};

function shown(task: TaskDocument): string {
  const { subject, parent, tools, taint, budget } = task;
  const about = list({
    ...{ task: task.id, state: task.state, tenant: task.tenant, agent: `${task.issuer}/${task.agent}` },
    subject: subject === null ? null : `${subject.id} (${subject.type}, ${subject.assurance})`,
    purpose: task.purpose,
    tools: tools === null ? 'every operation' : tools.join(' '),
    taint: taint.join(' '),
    parent: parent === null ? null : `${parent.id} of ${parent.agent}`,
    ...{ created: task.created_at, expires: task.expires_at },
  });
  const rows = levels.map((level) => [level, ...columns.map((column) => budget[level][column])]);
  return `${about}\n\n${table(['BUDGET', ...columns.map((column) => column.toUpperCase())], rows)}`;
}
