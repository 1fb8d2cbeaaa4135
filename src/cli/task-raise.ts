/** `tollgate task raise`: gives a task more budget or a longer life; one that is paused goes on. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import { type Command, oneArgument, Usage } from './command.ts';
import type { TaskDocument } from './task-show.ts';

const limits = { tokens: 'tokens', 'cost-usd': 'cost_usd', calls: 'calls', seconds: 'seconds' } as const;

export const taskRaise: Command = {
  help: `usage: tollgate task raise TASK [--tokens N] [--cost-usd N] [--calls N] [--seconds N] [--ttl SECONDS]
                           [--reason TEXT] [--json] (--config F | --admin-url U)

Raises limits of a task: to N, or by N where it is written +N. --ttl lets it live for so many seconds from now on at
least. A task that is paused goes on; one that was killed or completed stays so. What it is part of limits it all the
same. Who did it, what it was before, and TEXT, stand in the audit trail. Takes the role operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const text = { type: 'string' } as const;
    const raised = { tokens: text, 'cost-usd': text, calls: text, seconds: text, ttl: text };
    const options = { ...adminOptions, ...raised, reason: text } as const;
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options });
    const id = oneArgument('TASK', positionals);
    const to: Record<string, number> = {};
    const by: Record<string, number> = {};
    for (const option of Object.keys(limits) as (keyof typeof limits)[]) {
      const said = values[option];
      if (said === undefined) continue;
      (said.startsWith('+') ? by : to)[limits[option]] = numberOf(`--${option}`, said.replace(/^\+/, ''));
    }
    const ttl = values.ttl === undefined ? {} : { ttl_seconds: numberOf('--ttl', values.ttl) };
    const body = { to, by, ...ttl, ...(values.reason === undefined ? {} : { reason: values.reason }) };
    const client = await connect(values, surroundings);
    const task = await client.post<TaskDocument>(`/tasks/${encodeURIComponent(id)}/raise`, body);
    const { tokens, cost_usd, calls, seconds } = task.budget.limit;
    const limit = `tokens ${tokens}, cost_usd ${cost_usd}, calls ${calls}, seconds ${seconds}`;
    surroundings.out(
      values.json
        ? JSON.stringify(task, null, 2)
        : `${task.id} is ${task.state}; its limits: ${limit}; ends ${task.expires_at}`,
    );
    return 0;
  },
};

function numberOf(option: string, said: string): number {
  if (/^\d+(\.\d+)?$/.test(said)) return Number(said);
  throw new Usage(`${option} takes a number, or +number to raise it by that; found ${said}`);
}
