/**
 * A task whose first token belonged to a key could be given one that any bearer may use, by the workload token alone:
 * whoever had captured that got around the key.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DpopClient } from '../gateway/dpop-client.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';

const tokenType = 'urn:ietf:params:oauth:token-type:';

test('every further token of a bound task belongs to a key', part('opa'), async () => {
  await using world = await World.open();
  const client = await DpopClient.make();
  const workload = world.issuer.token('coordinator');
  const open = async (headers: Record<string, string> = {}) => {
    const init = { method: 'POST', headers, body: JSON.stringify({ purpose: 'test' }) };
    const response = await world.fetch('/tasks', workload, init);
    return (await response.json()) as { task_id: string; task_token: string; token_type: string };
  };
  const bound = await open({ dpop: await client.proof('POST', '/tasks', null) });
  const free = await open();
  assert.deepEqual([bound.token_type, free.token_type], ['DPoP', 'Bearer']);

  const renew = async (id: string, body: object, headers: Record<string, string> = {}) => {
    const init = { method: 'POST', headers, body: JSON.stringify(body) };
    const response = await world.fetch(`/tasks/${id}/token`, workload, init);
    const { reasons, token_type } = (await response.json()) as { reasons?: { code: string }[]; token_type?: string };
    return [response.status, reasons?.[0]?.code ?? token_type];
  };
  const path = `/tasks/${bound.task_id}/token`;
  assert.deepEqual(await renew(free.task_id, {}), [200, 'Bearer']);
  assert.deepEqual(await renew(bound.task_id, {}), [401, 'binding_required']);
  const handOver = { for: { agent: 'helper', issuer: 'azure' } };
  assert.deepEqual(await renew(bound.task_id, handOver), [401, 'binding_required']);
  assert.deepEqual(await renew(bound.task_id, {}, { dpop: await client.proof('POST', path, null) }), [200, 'DPoP']);
  assert.deepEqual(await renew(bound.task_id, handOver, { dpop: await client.proof('POST', path, null) }), [
    200,
    'N_A',
  ]);

  const exchanged = await fetch(`${world.gate.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      ...{ subject_token: bound.task_token, subject_token_type: `${tokenType}access_token` },
      ...{ actor_token: workload, actor_token_type: `${tokenType}jwt` },
    }),
  });
  const said = (await exchanged.json()) as { error: string; reasons: { code: string }[] };
  assert.deepEqual([exchanged.status, said.error, said.reasons[0]?.code], [400, 'invalid_request', 'binding_required']);
  const renewals = await world.events({ operation: 'task.renew' });
  assert.equal(renewals.length, 2, 'one for each task');
});
