/**
 * The longest chain of agents: a part for an agent with fifteen or sixteen before it was opened, and its token was read
 * by nobody, neither the gate nor a service, because `act` nests deeper than a token may.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTxnTokenVerifier, isRefusal } from '../../src/identity/verify.ts';
import { exchange, partOf } from '../gateway/exchange-form.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const options = part('opa');
let world: World;
before(async () => {
  if (options.skip === undefined) world = await World.open();
});
after(async () => world?.[Symbol.asyncDispose]());

/** Claims of a workload token that acts for so many. */
function actingFor(count: number): Record<string, unknown> {
  const act = (left: number): object => ({ sub: `before-${left}`, ...(left > 1 ? { act: act(left - 1) } : {}) });
  return { act: act(count) };
}

test(
  'a part that is opened has a token that the gate and its services read, however long its chain',
  options,
  async () => {
    const response = await world.fetch('/tasks', world.issuer.token('first', actingFor(8)), {
      method: 'POST',
      body: '{"purpose":"test"}',
    });
    const { task_token: whole } = (await response.json()) as { task_token: string };
    const jwks = { document: (await (await fetch(`${world.gate.url}/.well-known/jwks.json`)).json()) as never };
    const verifier = createTxnTokenVerifier({ jwks, issuer: 'http://gate.test', trustDomain: 'example.internal' });
    const opened: number[] = [];
    for (let count = 1; count <= 8; count++) {
      const { status, answer } = await exchange(world, partOf(whole, world.issuer.token('second', actingFor(count))));
      if (status !== 200) {
        assert.equal(answer.reasons?.[0]?.code, 'nested_too_deep', String(count));
        continue;
      }
      opened.push(count);
      const called = await world.fetch('/tools/orders/orders/O-1', answer.access_token);
      assert.equal(called.status, 200, `${count}: ${await called.text()}`);
      const received = world.orders.received.at(-1);
      const verified = await verifier.verify(String(received?.headers['txn-token']), {
        ...{ operation: 'orders.get_order', method: 'GET', pathWithQuery: '/orders/O-1', body: null },
      });
      assert.equal(isRefusal(verified) ? verified.reason : verified.actors.length, 8 + 1 + count);
    }
    assert.deepEqual(opened, [1, 2, 3, 4, 5]);
  },
);
