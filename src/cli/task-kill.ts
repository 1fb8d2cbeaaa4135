/** `tollgate task kill`: ends a task and its parts. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import { type Command, oneArgument } from './command.ts';
import type { TaskDocument } from './task-show.ts';

export const taskKill: Command = {
  help: `usage: tollgate task kill TASK [--reason TEXT] [--json] (--config F | --admin-url U)

Kills a task and its parts: running calls are aborted at every gateway of the store, and nothing more is called in its
name. Who did it, and TEXT, stand in the audit trail. Takes the role operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const options = { ...adminOptions, reason: { type: 'string' } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options });
    const id = oneArgument('TASK', positionals);
    const client = await connect(values, surroundings);
    const body = values.reason === undefined ? undefined : { reason: values.reason };
    const task = await client.post<TaskDocument>(`/tasks/${encodeURIComponent(id)}/kill`, body);
    // A task that had ended before stays as it was.
    surroundings.out(values.json ? JSON.stringify(task, null, 2) : `${task.id} is ${task.state}`);
    return 0;
  },
};
