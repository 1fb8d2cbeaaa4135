/**
 * Requests to HTTP tools that two readers would understand differently, on raw sockets, before a witness on a raw socket:
 * it gets nothing, or the one request that was decided on. What that is, is computed here from the recorded arguments and
 * not by the code of the gate.
 */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { RawSocket } from '../fakes/raw_socket.ts';
import { RawWitness } from '../fakes/raw_witness.ts';
import { part } from '../parts.ts';
import { type Hostile, hostileRequests } from './hostile_requests.ts';
import { World } from './world.ts';

const options = part('opa');
let world: World;
let witness: RawWitness;
before(async () => {
  if (options.skip !== undefined) return;
  witness = await RawWitness.open();
  const target = { name: 'one', url: witness.url, cloud: 'azure', region: 'westeurope', credential: 'key' };
  const openapi = resolve(import.meta.dirname, '../fixtures/wire/files.openapi.json');
  const row = { name: 'files', openapi, targets: [target], operations: {} };
  world = await World.open({ rows: { orders: row } });
});
after(async () => {
  await world?.[Symbol.asyncDispose]();
  await witness?.[Symbol.asyncDispose]();
});

interface Recorded {
  readonly path: { readonly name?: string };
  readonly query: Record<string, unknown>;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/** What a target may get beside what the operation declares. */
const gatesOwn = new Set(
  'host connection accept content-type content-length user-agent accept-encoding traceparent txn-token x-request-id x-service-key'.split(
    ' ',
  ),
);

const templates: Readonly<Record<string, string>> = {
  get_file: 'GET /files/{name}',
  put_file: 'PUT /files/{name}',
  delete_file: 'DELETE /files/{name}',
  create_note: 'POST /notes',
  send_form: 'POST /forms',
  send_text: 'POST /texts',
  upload: 'POST /uploads',
};

function lineOf(operation: string, { path, query }: Recorded): string {
  const line = (templates[operation] ?? '').replace('{name}', encodeURIComponent(path.name ?? ''));
  const pairs = Object.entries(query).flatMap(([name, value]) => {
    const texts = Array.isArray(value) && name === 'tag' ? value : [Array.isArray(value) ? value.join(',') : value];
    return texts.map((text) => `${name}=${encodeURIComponent(String(text))}`);
  });
  return `${line}${pairs.length === 0 ? '' : `?${pairs.join('&')}`} HTTP/1.1`;
}

/** The body as the arguments say it, whoever reads it. */
function assertBody(operation: string, args: Recorded, sent: RawWitness['requests'][number]): void {
  const type = sent.headers.find(([name]) => name === 'content-type')?.[1] ?? '';
  if (operation === 'create_note') assert.deepEqual(JSON.parse(sent.body.toString('utf8')), args.body);
  else if (operation === 'send_form') {
    assert.deepEqual(Object.fromEntries(new URLSearchParams(sent.body.toString('utf8'))), args.body);
  } else if (operation === 'upload') {
    const boundary = /boundary=(tollgate-[0-9a-f]+)$/.exec(type)?.[1];
    assert.ok(boundary !== undefined, type);
    const parts = sent.body.toString('latin1').split(`--${boundary}`).slice(1, -1);
    const names = parts.map((one) => /name="([^"]*)"/.exec(one)?.[1]);
    assert.deepEqual(names, Object.keys(args.body as object));
  } else if (operation !== 'send_text') assert.equal(sent.body.length, 0);
}

async function assertSent(hostile: Hostile, taskId: string): Promise<void> {
  assert.equal(witness.requests.length, 1, 'sent once');
  const [sent] = witness.requests;
  assert.ok(sent !== undefined);
  assert.equal(sent.line, `${hostile.sent} HTTP/1.1`);
  const intents = await world.events({ task: taskId, type: 'intent' });
  const intent = intents.at(-1);
  const operation = String(intent?.operation).replace('files.', '');
  const reply = await world.admin(`/audit/tasks/${taskId}/payloads?kind=policy_input&call=${intent?.call}`);
  const { payloads } = (await reply.json()) as { payloads: { text: string }[] };
  const args = JSON.parse(payloads[0]?.text ?? 'null')?.call.arguments as Recorded | undefined;
  assert.ok(args !== undefined, 'its arguments are recorded');
  assert.equal(sent.line, lineOf(operation, args));
  for (const [name, value] of sent.headers) {
    if (Object.hasOwn(args.headers, name)) assert.equal(value, String(args.headers[name]));
    else assert.ok(gatesOwn.has(name), `the header ${name} was sent`);
  }
  const names = sent.headers.map(([name]) => name);
  assert.equal(new Set(names).size, names.length, 'no header is sent twice');
  for (const name of Object.keys(args.headers)) assert.ok(names.includes(name), `${name} was not sent`);
  assertBody(operation, args, sent);
}

test(
  '[wire.hostile-requests] a request with two readings reaches no target but as the one decided on',
  options,
  async (t) => {
    const { id, token } = await world.task({ ttl_seconds: 600 });
    const rows = hostileRequests(token);
    assert.ok(rows.filter(({ refused }) => refused !== undefined).length >= 60, `${rows.length} requests`);
    for (const hostile of rows) {
      await t.test(hostile.name, async () => {
        witness.forget();
        const raw = new RawSocket(world.gate.url);
        try {
          raw.write(hostile.wire);
          assert.ok(await raw.answered(1, 3_000), 'answered');
          const body = raw.received;
          if (hostile.refused === undefined) {
            assert.equal(raw.statuses.filter((status) => status >= 200)[0], 200, body);
            await assertSent(hostile, id);
          } else {
            assert.match(body, new RegExp(`"code":"${hostile.refused}"`));
            assert.equal(Buffer.concat(witness.bytes).toString('latin1'), '', 'the witness got something');
          }
        } finally {
          raw.destroy();
        }
      });
    }
    const denials = await world.events({ task: id, type: 'denial' });
    // What is refused before there is a call of the task is no event of it.
    const calls = rows.filter(({ refused }) => refused === 'args_invalid' || refused === 'operation_unknown');
    assert.ok(denials.length >= calls.length, `${denials.length} denials of ${calls.length}`);
  },
);
