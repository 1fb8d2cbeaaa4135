/** What a server, a client or a token of MCP could take more of than there is: what it says, streams, their logs, time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMcp, TokensOfRequests, withConversations } from '../../src/assembly/mcp.ts';
import type { Admitted, Caller, ShownToken, Target } from '../../src/call.ts';
import { systemClock } from '../../src/clock.ts';
import { deny, isDenial } from '../../src/denial.ts';
import type { Rooms } from '../../src/pipeline.ts';
import { ChangeStreams, type Listening } from '../../src/server/mcp/change-stream.ts';
import { Outbox } from '../../src/server/mcp/outbox.ts';
import type { McpEndpointPorts, OwnTask } from '../../src/server/mcp/ports.ts';
import { MemoryStore } from '../../src/store/backends/memory.ts';

const admitted = { task: {}, resolved: {} } as unknown as Admitted;

test('of what a server says during one call so much is judged, and no more', async () => {
  let judged = 0;
  const response = {
    inspect: () => [],
    decide: () => void judged++,
    obey: async () => undefined,
  };
  const attempt = async ({ conversation }: Admitted) => {
    for (let step = 0; step < 3_000; step++) {
      await conversation?.tell({ method: 'notifications/progress', params: { progress: step } }, {} as Target);
    }
    return { failed: {}, denial: deny('upstream_error', 'no') };
  };
  const rooms = withConversations({ response, exchange: { attempt } } as unknown as Rooms, systemClock(), assert.fail);
  let told = 0;
  const conversation = { version: '2025-11-25', capabilities: {}, sessionId: 's', tell: async () => void told++ };
  await rooms.exchange.attempt({ ...admitted, conversation } as unknown as Admitted, {} as Target);
  assert.deepEqual([judged, told], [1_024, 1_024]);
});

test('what one request proved holds as long as its token does', async () => {
  let nowMs = 0;
  let asked = 0;
  const caller = { expiresAtMs: 1_000 } as Caller;
  const verify = async () => (asked++ === 0 ? caller : deny('unauthenticated', 'The token has expired.'));
  const tokens = new TokensOfRequests({ verify }, () => nowMs);
  const credential = { token: 'token', shown: {} } as ShownToken;
  assert.equal(await tokens.first(credential), caller);
  assert.equal(await tokens.verify(credential), caller);
  nowMs = 1_000;
  assert.ok(isDenial(await tokens.verify(credential)));
});

test('a stream that never begins takes no place', async () => {
  const record = { id: 'task' };
  const streams = new ChangeStreams({} as McpEndpointPorts);
  const listening = { own: { record }, routes: [], listed: () => Promise.reject(new Error('away')) };
  for (let count = 0; count < 20; count++) {
    await assert.rejects(streams.ofSession(listening as unknown as Listening, true, undefined), /away/);
  }
  assert.equal(typeof streams.enter({ record } as OwnTask), 'function');
});

test('what is kept of cut streams is bounded for each task, and a response that is not kept says so', async () => {
  const clock = systemClock();
  const store = new MemoryStore({ clock });
  await store.open();
  await using opened = new AsyncDisposableStack();
  const toolsChanged = new Set<(route: string) => void>();
  const { log } = await openMcp(
    { config: { keys: {} }, store, clock, faulted: assert.fail, toolsChanged } as never,
    opened,
  );
  const owner = { tenant: 'acme', taskId: 'task_1', expiresAtMs: clock.nowMs() + 60_000 };
  const kept: string[] = [];
  for (let count = 0; count < 12; count++) {
    const stream = { owner, session: 's', id: log.newId() };
    const outbox = new Outbox({ clock, log, stream, kept: true, faulted: assert.fail });
    const result = { content: [{ type: 'text', text: 'x'.repeat(3 * 1_048_576) }] };
    await outbox.put(() => ({ jsonrpc: '2.0', id: count, result }), true);
    for await (const { message } of log.follow(stream, 0, 0, new AbortController().signal))
      kept.push('result' in message ? 'whole' : JSON.stringify(message.error));
  }
  assert.equal(kept.filter((one) => one === 'whole').length, 10);
  assert.match(kept.at(-1) ?? '', /too large to be kept/);
});
