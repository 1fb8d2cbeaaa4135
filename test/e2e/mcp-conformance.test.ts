/**
 * The official conformance suite of MCP against the reference servers, directly and through a gate with the shipped
 * rules, inspection and a strict trail: what is green directly is green through the gate, and what the servers received
 * is what the trail says. What a reader would get wrong: the suite judges the gate, too, as the server that it is to its
 * client; where the two differ the gate has answered by itself.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AuditEvent } from '../../src/audit/event.ts';
import { BearerForwarder } from '../fakes/bearer-forwarder.ts';
import type { RawRequest } from '../fakes/mcp-reference/witness.ts';
import { part } from '../parts.ts';
import { type Era, McpWorld } from './clients/mcp-world.ts';
import { type Check, conformance, type Status } from './mcp-suite.ts';

const versions: Readonly<Record<Era, string>> = { legacy: '2025-11-25', modern: '2026-07-28' };

/** What is green directly and less than that through the gate, and why; none of it is a failure. */
const lesser: Readonly<Record<Era, Readonly<Record<string, string>>>> = {
  legacy: {
    'server-sse-multiple-streams/server-sse-streams-functional':
      'where nothing is told or asked before the answer, and it is not long in coming, it is no stream but JSON',
    'server-sse-polling/server-sse-disconnect-resume':
      'the gate takes up the stream of the server by itself, and that of its client goes on',
  },
  modern: {
    'input-required-result-ignore-extra-params/sep-2322-ignore-unexpected-params':
      'it answers at once what nobody has asked for yet; such an answer goes nowhere, and the server asks',
  },
};

/** The names of the checks that came out so. */
const named = (checks: ReadonlyMap<string, Check>, ...statuses: readonly Status[]) =>
  [...checks.values()].flatMap(({ name, status }) => (statuses.includes(status) ? [name] : []));

/** What the gate says in the token of the trust domain of why it calls: the call, by its id in the trail. */
function callOf({ headers }: RawRequest): string {
  const [, payload = ''] = String(headers['txn-token']).split('.');
  return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { txn: string }).txn;
}

/** The operation that a message to a server is, by the methods that are calls; undefined for all others. */
function operationOf(era: Era, { message }: RawRequest): string | undefined {
  const { method, params } = message ?? {};
  if (method === 'tools/call') return `${era}.${String(params?.name)}`;
  const isCall = method !== undefined && /^(?:resources|prompts|completion)\//.test(method);
  return isCall ? `${era}.${method}` : undefined;
}

/** How many answers of a client to questions of the server a message holds. */
function answersIn({ message }: RawRequest): number {
  if (message !== undefined && ('result' in message || 'error' in message)) return 1;
  return Object.keys(message?.params?.inputResponses ?? {}).length;
}

const isAsked = ({ operation }: AuditEvent): boolean =>
  /\.(?:elicitation\/create|sampling\/createMessage|roots\/list)$/.test(operation ?? '');

describe('the conformance suite of MCP', part('opa'), () => {
  let world: McpWorld;
  let forwarder: BearerForwarder;
  before(async () => {
    forwarder = await BearerForwarder.open();
    world = await McpWorld.open(forwarder.url);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await forwarder[Symbol.asyncDispose]();
  });

  for (const [era, version] of Object.entries(versions) as [Era, string][])
    test(`[wire.mcp-conformance] ${version}: what is green directly is green through the gate, and the trail says what the server received`, async () => {
      const server = world.servers[era];
      const direct = await conformance(server.url, version);
      assert.deepEqual(named(direct, 'FAILURE', 'WARNING', 'SKIPPED'), [], 'directly');
      const green = named(direct, 'SUCCESS');
      assert.ok(green.length > 80, 'all of them were made');

      server.received.length = 0;
      const task = await world.task('everything');
      forwarder.forwardTo(world.world.gate.url, task.token);
      const through = await conformance(`${forwarder.url}/mcp/${era}`, version);
      const faults = named(through, 'FAILURE').map((name) => [name, through.get(name)?.fault]);
      assert.deepEqual(faults, [], 'through the gate');
      assert.deepEqual(
        green.filter((name) => through.get(name)?.status !== 'SUCCESS').sort(),
        Object.keys(lesser[era]).sort(),
      );

      const events = await world.world.events({ task: task.id });
      const calls = new Map<string, readonly AuditEvent[]>();
      for (const event of events)
        if (event.call !== null) calls.set(event.call, [...(calls.get(event.call) ?? []), event]);
      const seen = new Set<string>();
      let answers = 0;
      for (const request of server.received) {
        assert.ok(!JSON.stringify(request).includes(task.token), 'the token of the task stays here');
        const operation = operationOf(era, request);
        answers += answersIn(request);
        if (operation === undefined) continue;
        const id = callOf(request);
        assert.ok(!seen.has(id), 'a call is sent once');
        seen.add(id);
        const [intent, outcome, ...more] = calls.get(id) ?? [];
        assert.deepEqual([intent?.type, outcome?.type, more], ['intent', 'outcome', []], operation);
        assert.deepEqual([intent?.operation, outcome?.operation], [operation, operation]);
        for (const target of [intent?.target, outcome?.target])
          assert.deepEqual([target?.route, target?.name], [era, 'one'], operation);
        assert.deepEqual(
          outcome?.attempts.map(({ target, sent, status }) => [target, sent, status]),
          [['one', true, request.status]],
        );
      }
      const intents = events.filter(({ type }) => type === 'intent');
      const sent = intents.filter((event) => !isAsked(event)).map(({ call }) => call);
      assert.deepEqual(sent.sort(), [...seen].sort(), 'what the trail says was sent');
      assert.equal(intents.filter(isAsked).length, answers, 'and what the client answered');
    });
});
