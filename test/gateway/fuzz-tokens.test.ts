/**
 * Damaged tokens of every kind, shown over HTTP wherever a token may stand: none is accepted, and no answer is a fault of
 * the gate. A new seed each time, printed; `TOLLGATE_FUZZ_SEED` plays one again, `TOLLGATE_FUZZ_MS` says how long.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { FakeIssuer } from '../fakes/issuer.ts';
import { part } from '../parts.ts';
import { Dice, mutant } from '../unit/identity/mutant.ts';
import { World } from './world.ts';

const durationMs = Number(process.env.TOLLGATE_FUZZ_MS ?? 1_500);
const seed = Number(process.env.TOLLGATE_FUZZ_SEED ?? randomInt(2 ** 31));
const inParallel = 8;
const tokenType = 'urn:ietf:params:oauth:token-type:';
/** What can stand in a header; the rest goes into forms and bodies only. */
const printable = /^[\x21-\x7e]{1,12000}$/;

describe('damaged tokens over HTTP', part('opa'), () => {
  let world: World;
  let shop: FakeIssuer;
  before(async () => {
    shop = await FakeIssuer.open();
    world = await World.open({
      config: {
        subject_issuers: [{ name: 'shop', issuer: shop.url, audiences: ['urn:test:customers'], algorithms: ['ES256'] }],
      },
    });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await shop?.[Symbol.asyncDispose]();
  });

  test(`for ${durationMs} ms from seed ${seed}: no accept, and no answer is a 500 [identity.no-fault-by-token]`, async () => {
    const workload = world.issuer.token('coordinator');
    const subject = shop.token('C', { aud: 'urn:test:customers' });
    const { token: task } = await world.task();
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task)).status, 200);
    const txn = String(world.orders.received.at(-1)?.headers['txn-token']);
    const sent = world.orders.received.length;
    const dice = new Dice(seed);
    const kinds = [workload, subject, task, txn];
    const { url } = world.gate;
    const form = (path: string, parameters: Record<string, string>) =>
      fetch(`${url}${path}`, { method: 'POST', body: new URLSearchParams(parameters) });
    const exchange = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: `${tokenType}jwt`,
    };
    const details = JSON.stringify([{ type: 'tollgate_task', purpose: 'test' }]);
    const json = (body: object) => ({ method: 'POST', body: JSON.stringify(body) });
    const shownTo: readonly ((token: string) => Promise<Response>)[] = [
      (token) => world.fetch('/tasks', workload, json({ purpose: 'test', subject: { token } })),
      (token) => form('/oauth/token', { ...exchange, subject_token: token, authorization_details: details }),
      (token) =>
        form('/oauth/token', {
          ...exchange,
          subject_token: task,
          actor_token: token,
          actor_token_type: `${tokenType}jwt`,
        }),
      (token) => form('/oauth/introspect', { token: task, client_assertion: token }),
      (token) => world.fetch('/tasks', token, json({ purpose: 'test' })),
      (token) => world.fetch('/tools/orders/orders/O-1', token),
      (token) => fetch(`${url}/v1/models`, { headers: { 'x-api-key': token } }),
      (token) => fetch(`${url}/tools/orders/orders/O-1`, { headers: { authorization: `DPoP ${task}`, dpop: token } }),
      (token) => world.admin('/audit/events', { headers: { authorization: `Bearer ${token}` } }),
    ];
    const inForms = 4;
    const endMs = performance.now() + durationMs;
    let shown = 0;
    const wrong: string[] = [];
    await Promise.all(
      Array.from({ length: inParallel }, async () => {
        while (performance.now() < endMs && wrong.length === 0) {
          const own = dice.of(kinds);
          const token = mutant(own, dice).toWellFormed();
          if (kinds.includes(token) || token === '') continue;
          const place = dice.below(printable.test(token) ? shownTo.length : inForms);
          const response = await (shownTo[place] as (token: string) => Promise<Response>)(token);
          const text = await response.text();
          shown++;
          if (response.status < 400 || response.status >= 500)
            wrong.push(`${place}: ${response.status} ${text} ${token}`);
        }
      }),
    );
    assert.deepEqual(wrong, [], `seed ${seed}`);
    assert.ok(shown > durationMs / 20, `${shown} were shown`);
    assert.equal(world.orders.received.length, sent, 'nothing was sent');
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task)).status, 200, 'the gate is well');
  });
});
