/**
 * A reload that changed any issuer forgot the keys of all of them: an issuer that was away at that moment took its agents
 * down, although its last good keys serve for an hour.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

test('an issuer that is away while the configuration changes is served by the keys it had', part('opa'), async () => {
  await using world = await World.open();
  assert.equal((await world.task()).status, 201);
  const fresh = world.issuer.token('coordinator');
  await world.issuer[Symbol.asyncDispose]();

  const config = JSON.parse(await readFile(world.configFile, 'utf8')) as { issuers: Record<string, unknown>[] };
  config.issuers.push({ name: 'new', issuer: 'https://new.test', audiences: ['gate'], tenant: 'acme', cloud: 'new' });
  await writeFile(world.configFile, JSON.stringify(config));
  assert.equal((await world.gate.reload('signal')).outcome, 'applied');

  const opened = await fetch(`${world.gate.url}/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${fresh}` },
    body: JSON.stringify({ purpose: 'test' }),
  });
  assert.equal(opened.status, 201, await opened.text());
  // Another audience is another configuration of the same keys; what was verified before is verified again.
  Object.assign(config.issuers[0] as object, { audiences: ['api://elsewhere'] });
  await writeFile(world.configFile, JSON.stringify(config));
  assert.equal((await world.gate.reload('signal')).outcome, 'applied');
  const refused = await fetch(`${world.gate.url}/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${fresh}` },
    body: JSON.stringify({ purpose: 'test' }),
  });
  const { reasons } = (await refused.json()) as { reasons: { code: string }[] };
  assert.deepEqual([refused.status, reasons[0]?.code], [401, 'audience_wrong']);
});
