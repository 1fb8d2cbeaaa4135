/**
 * A customer's token that belongs to a key of the customer's (RFC 7800 `cnf`) was taken from any agent, without the key:
 * whoever had captured it opened verified tasks for that customer.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FakeIssuer } from '../fakes/issuer.ts';
import { DpopClient } from '../gateway/dpop-client.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const options = part('opa');
const aud = 'api://customers';
let shop: FakeIssuer;
let world: World;
before(async () => {
  if (options.skip !== undefined) return;
  shop = await FakeIssuer.open();
  const subjects = { name: 'shop', issuer: shop.url, audiences: [aud], algorithms: ['ES256'] };
  world = await World.open({ config: { subject_issuers: [subjects] } });
});
after(() => Promise.all([world, shop].map((open) => open?.[Symbol.asyncDispose]())));

test('a token of a subject that belongs to a key is refused, also to who proves another key', options, async () => {
  const open = async (claims: Record<string, unknown>, dpop: Record<string, string> = {}) => {
    const response = await world.fetch('/tasks', world.issuer.token('coordinator'), {
      method: 'POST',
      headers: dpop,
      body: JSON.stringify({ purpose: 'test', subject: { token: shop.token('C-1', { aud, ...claims }) } }),
    });
    const { reasons } = (await response.json()) as { reasons?: { code: string; path: string }[] };
    const [reason] = reasons ?? [];
    return { said: [response.status, reason?.code, reason?.path], challenge: response.headers.get('www-authenticate') };
  };
  const client = await DpopClient.make();
  assert.equal((await open({})).said[0], 201);
  const opened = (await world.events({ operation: 'task.create' })).length;
  const refused = [401, 'binding_missing', '/subject/token'];
  for (const cnf of [{ jkt: client.jkt }, { 'x5t#S256': 'x'.repeat(43) }, { kid: 'theirs' }, null]) {
    const { said, challenge } = await open({ cnf });
    assert.deepEqual(said, refused);
    assert.ok(!challenge?.includes('DPoP'), 'no proof of the agent would help');
  }
  const dpop = await client.proof('POST', '/tasks', null);
  assert.deepEqual((await open({ cnf: { jkt: client.jkt } }, { dpop })).said, refused);
  assert.equal((await world.events({ operation: 'task.create' })).length, opened, 'nothing came to be');
  const refusals = (await world.events({ type: 'denial' })).flatMap(({ decision }) => decision?.reasons ?? []);
  assert.ok(refusals.some(({ code }) => code === 'binding_missing'));
});
