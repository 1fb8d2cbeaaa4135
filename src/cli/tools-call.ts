/** `tollgate tools call`: one call of one tool, as an agent would make it, with everything that an agent is told. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { idempotencyKeyMeta } from '../wire/call-hints.ts';
import { paramHeaders, writeParamHeaders } from '../wire/mcp/headers.ts';
import { type Command, oneArgument, Usage } from './command.ts';
import {
  connectTask,
  type Refusal,
  Refused,
  refusalText,
  type TaskClient,
  taskHelp,
  taskOptions,
} from './task-client.ts';

type Members = Readonly<Record<string, unknown>>;
type Arguments = Parameters<typeof writeParamHeaders>[1];

const pagesMax = 1_000;

export const toolsCall: Command = {
  help: `usage: tollgate tools call OPERATION [--args JSON | --args @FILE] [--idempotency-key K] (--config F | --url U)

Calls a tool, ROUTE.NAME as \`tollgate tools ls\` shows it, with the checks that an agent's call has. Arguments of an HTTP
operation are {"path": …, "query": …, "headers": …, "body": …}; @FILE reads them from a file, @- from the standard input.
K makes a repeat known: it gets the first answer again.

${taskHelp}`,
  async run(argv, surroundings) {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { ...taskOptions, args: { type: 'string' }, 'idempotency-key': { type: 'string' } },
    });
    const operation = oneArgument('OPERATION', positionals);
    const dot = operation.indexOf('.');
    if (dot < 1) throw new Usage('OPERATION is ROUTE.NAME, for example orders.get_order');
    const [route, name] = [operation.slice(0, dot), operation.slice(dot + 1)];
    const args = await readArguments(values.args ?? '{}');
    const key = values['idempotency-key'];
    try {
      await using client = await connectTask(values, surroundings, [operation]);
      const headers = await headersOf(client, route, name, args);
      const meta = key === undefined ? {} : { [idempotencyKeyMeta]: key };
      const answer = await client.rpc(route, 'tools/call', { name, arguments: args }, { meta, headers });
      const result = answer.result ?? {};
      const good = result.isError !== true && result.resultType !== 'input_required';
      if (values.json) surroundings.out(JSON.stringify(result, null, 2));
      else {
        (good ? surroundings.out : surroundings.err)(shown(result));
        const repeated = answer.replayed ? ', a repeat: nothing was sent' : '';
        surroundings.err(`call ${answer.callId ?? '-'} of task ${answer.taskId ?? '-'}${repeated}`);
      }
      return good ? 0 : 1;
    } catch (fault) {
      if (!(fault instanceof Refused)) throw fault;
      surroundings.err(fault.message);
      return 1;
    }
  },
};

async function readArguments(given: string): Promise<Arguments> {
  const source = given === '@-' ? '/dev/stdin' : given.startsWith('@') ? given.slice(1) : null;
  const text = source === null ? given : await readFile(source, 'utf8');
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (fault) {
    throw new Usage(`--args is no JSON: ${(fault as Error).message}`);
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read)) throw new Usage('--args is a JSON object');
  return read as Arguments;
}

/** Some tools want arguments repeated in headers, which their schema says. One that is not listed is refused anyway. */
async function headersOf(
  client: TaskClient,
  route: string,
  name: string,
  args: Arguments,
): Promise<Record<string, string>> {
  let cursor: unknown;
  for (let page = 0; page < pagesMax; page++) {
    const { result = {} } = await client.rpc(route, 'tools/list', cursor === undefined ? {} : { cursor });
    const tools = (Array.isArray(result.tools) ? result.tools : []) as readonly Members[];
    const found = tools.find((tool) => tool.name === name);
    if (found !== undefined) {
      const declared = paramHeaders((found.inputSchema ?? {}) as Arguments);
      return typeof declared === 'string' ? {} : writeParamHeaders(declared, args);
    }
    cursor = result.nextCursor;
    if (cursor === undefined) break;
  }
  return {};
}

/** What a tool answered, or why it did not, for people. */
function shown(result: Members): string {
  const structured = result.structuredContent as (Members & Refusal) | undefined;
  const refused = result.isError === true && typeof structured?.code === 'string' && 'decision_id' in structured;
  if (refused) return refusalText(structured);
  if (result.resultType === 'input_required') return 'the tool asks for more than this command can give';
  if (structured !== undefined && result.isError !== true) return JSON.stringify(structured, null, 2);
  const content = (Array.isArray(result.content) ? result.content : []) as readonly Members[];
  const parts = content.map((part) =>
    part.type === 'text' ? String(part.text) : `[${String(part.type)} ${String(part.mimeType ?? '')}]`,
  );
  return parts.length === 0 ? '(nothing)' : parts.join('\n');
}
