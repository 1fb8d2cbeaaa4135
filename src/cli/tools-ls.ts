/** `tollgate tools ls`: the operations of a gate's routing table, or the tools that one task may call. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import type { Command, Surroundings } from './command.ts';
import { table } from './table.ts';
import { connectTask, Refused, type TaskValues, taskOptions } from './task-client.ts';

interface OperationRow {
  readonly operation: string;
  readonly route: string;
  readonly kind: string;
  readonly effect: string;
  readonly reads: readonly string[];
  readonly sends: string;
  readonly state: string;
  readonly summary: string;
}

interface ToolRow {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly annotations?: { readonly readOnlyHint?: boolean; readonly destructiveHint?: boolean };
}

const pagesMax = 1_000;
const summaryCharsMax = 80;

export const toolsLs: Command = {
  help: `usage: tollgate tools ls [--route R] [--json] (--config F | --admin-url U)
       tollgate tools ls [--route R] [--json] (--task-token-file F | --workload-token-file F --purpose P) (--config F | --url U)

Lists what can be called: ROUTE.NAME, what it does (read, write, delete), what a task catches by reading it, whether it
sends data out of the trust domain, and its state: ready, or its definition has drifted (flagged, blocked). Takes the role
auditor, policy_author or operator. With a token of a task or an agent: the tools that this task may call, as its agent is
shown them; there, the names are those of MCP.

${adminHelp}
With --url, a task: see \`tollgate tools call --help\`.`,
  async run(argv, surroundings) {
    const { values } = parseArgs({
      args: [...argv],
      options: { ...adminOptions, ...taskOptions, route: { type: 'string' } },
    });
    const asTask =
      values.url !== undefined ||
      values['task-token-file'] !== undefined ||
      values['workload-token-file'] !== undefined;
    if (asTask) return listOfTask(values, surroundings);
    const client = await connect(values, surroundings);
    const { operations } = await client.get<{ operations: readonly OperationRow[] }>('/operations', {
      route: values.route,
    });
    if (values.json) surroundings.out(JSON.stringify({ operations }, null, 2));
    else {
      const rows = operations.map(({ operation, kind, effect, reads, sends, state, summary }) => [
        ...[operation, kind, effect, reads.join(' '), sends, state, short(summary)],
      ]);
      surroundings.out(table(['OPERATION', 'KIND', 'EFFECT', 'READS', 'SENDS', 'STATE', 'SUMMARY'], rows));
    }
    return 0;
  },
};

async function listOfTask(
  values: TaskValues & { readonly route?: string | undefined; readonly json?: boolean | undefined },
  surroundings: Surroundings,
): Promise<number> {
  try {
    await using client = await connectTask(values, surroundings, null);
    const tools: ToolRow[] = [];
    let cursor: unknown;
    for (let page = 0; page < pagesMax; page++) {
      const { result = {} } = await client.rpc(
        values.route ?? null,
        'tools/list',
        cursor === undefined ? {} : { cursor },
      );
      tools.push(...((result.tools ?? []) as readonly ToolRow[]));
      cursor = result.nextCursor;
      if (cursor === undefined) break;
    }
    if (values.json) surroundings.out(JSON.stringify({ tools }, null, 2));
    else {
      const rows = tools.map(({ name, title, description, annotations }) => [
        ...[name, effectOf(annotations), short(title ?? description ?? '')],
      ]);
      surroundings.out(table(['TOOL', 'EFFECT', 'SUMMARY'], rows));
    }
    return 0;
  } catch (fault) {
    if (!(fault instanceof Refused)) throw fault;
    surroundings.err(fault.message);
    return 1;
  }
}

/** The annotations are the gate's own, from its routing table. */
function effectOf({ readOnlyHint, destructiveHint }: NonNullable<ToolRow['annotations']> = {}): string {
  if (readOnlyHint === true) return 'read';
  return destructiveHint === false ? 'write' : 'delete';
}

function short(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > summaryCharsMax ? `${line.slice(0, summaryCharsMax - 1)}…` : line;
}
