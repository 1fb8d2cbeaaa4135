/** Requests to the checkpoint of a task, and what the trail tells of them. */
import type { Gate } from '../../src/main.ts';
import type { World } from './world.ts';

export interface CheckpointAnswer {
  readonly status: number;
  readonly etag: string;
  readonly text: string;
  /** The code of a denial and its first reason, or the empty string. */
  readonly denial: string;
}

async function answerOf(asked: Promise<Response>): Promise<CheckpointAnswer> {
  const response = await asked;
  const text = await response.text();
  let denial = '';
  if (response.status >= 400) {
    const { code, reasons } = JSON.parse(text) as { code: string; reasons: { code: string }[] };
    denial = [code, ...reasons.slice(0, 1).map((reason) => reason.code)].join(' ');
  }
  return { status: response.status, etag: response.headers.get('etag') ?? '', text, denial };
}

/** Reads the checkpoint of `id` with `token`. */
export function readCheckpoint(
  gate: Pick<Gate, 'url'>,
  id: string,
  token: string,
  headers: Record<string, string> = {},
): Promise<CheckpointAnswer> {
  return answerOf(
    fetch(`${gate.url}/tasks/${id}/checkpoint`, { headers: { authorization: `Bearer ${token}`, ...headers } }),
  );
}

/** Writes the checkpoint of `id` with `token`; `body` goes as JSON, unless it is text or bytes. */
export function writeCheckpoint(
  gate: Pick<Gate, 'url'>,
  id: string,
  token: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<CheckpointAnswer> {
  return answerOf(
    fetch(`${gate.url}/tasks/${id}/checkpoint`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    }),
  );
}

/** What happened to the checkpoint of a task, oldest first: operation and status. */
export async function happened(world: World, id: string): Promise<(readonly [string | null, number | null])[]> {
  const events = await world.events({ task: id });
  return events
    .filter(({ operation }) => operation?.startsWith('task.checkpoint'))
    .map(({ operation, status }) => [operation, status] as const);
}

/** All that the trail keeps of a task beside its events, as text. */
export async function keptOf(world: World, id: string): Promise<string> {
  return (await world.admin(`/audit/tasks/${id}/payloads`)).text();
}

/** The taint that a task has now. */
export async function taintOf(world: World, { id, token }: { readonly id: string; readonly token: string }) {
  return ((await (await world.fetch(`/tasks/${id}`, token)).json()) as { taint: string[] }).taint.toSorted();
}
