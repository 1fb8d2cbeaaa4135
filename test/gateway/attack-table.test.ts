/**
 * The attack table over HTTP: each row is an accepted control with exactly one change. The agent is refused, nothing is
 * sent, and the audit trail says why. The rows are those of the verifier's own table.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { claimRows } from '../unit/identity/attack-claims.ts';
import { formRows } from '../unit/identity/attack-form.ts';
import { control, issuers, type Row } from '../unit/identity/attack-world.ts';
import { forge } from '../unit/identity/forge.ts';
import { World } from './world.ts';

const rows: readonly Row[] = [...formRows, ...claimRows];
/** What fetch sends in a header as it is; the rest is shown in a form, where a token may be any text. */
const fitsHeader = /^[\x21-\x7e]{1,12000}$/;

describe('the attack table, over HTTP', part('opa'), () => {
  let world: World;
  before(async () => {
    world = await World.open({ config: { issuers, audit: { refusals_per_second: 10_000 } } });
  });
  after(() => world?.[Symbol.asyncDispose]());

  /** Shows a workload token to the gate, and gives the status, what it said, and what the trail says of it. */
  async function shown(token: string) {
    const traceId = randomBytes(16).toString('hex');
    const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
    const inHeader = token === '' || fitsHeader.test(token);
    const response = inHeader
      ? await fetch(`${world.gate.url}/tasks`, {
          method: 'POST',
          headers: { ...headers, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) },
          body: JSON.stringify({ purpose: 'test' }),
        })
      : await fetch(`${world.gate.url}/oauth/token`, {
          method: 'POST',
          headers,
          body: new URLSearchParams({
            grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
            subject_token: token,
            subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
            authorization_details: JSON.stringify([{ type: 'tollgate_task', purpose: 'test' }]),
          }),
        });
    const text = await response.text();
    const events = await world.events({ trace_id: traceId });
    return { status: response.status, text, events };
  }

  test('it has at least a hundred rows, all different', () => {
    assert.ok(new Set(rows.map(([name]) => name)).size >= 100, `${rows.length}`);
    assert.equal(new Set(rows.map(([name]) => name)).size, rows.length);
  });

  for (const [name, reason, change] of rows) {
    test(`refused as ${reason}: ${name} [identity.one-change]`, async () => {
      const accepted = await shown(forge({ ...control(), claims: { ...control().claims, jti: name } }));
      assert.equal(accepted.status, 201, accepted.text);
      const draft = control();
      change(draft);
      const token = forge(draft);
      const { status, text, events } = await shown(token);
      // RFC 8693 §2.2.2 knows one error for every token that cannot be exchanged.
      assert.equal(status, token === '' || fitsHeader.test(token) ? 401 : 400, text);
      const said = JSON.parse(text) as { code?: string; error?: string; reasons: { code: string }[] };
      assert.equal(said.code ?? said.error, 'unauthenticated');
      assert.equal(said.reasons[0]?.code, reason);
      assert.deepEqual(
        events.map(({ type, decision }) => [type, decision?.reasons.map(({ code }) => code)]),
        [['denial', ['unauthenticated', reason]]],
      );
      const secret = token.split('.').find((piece) => piece.length > 40);
      if (secret !== undefined) assert.ok(!JSON.stringify(events).includes(secret) && !text.includes(secret));
    });
  }

  test('nothing was sent for any of them', () => {
    assert.equal(world.orders.received.length + world.model.received.length, 0);
  });
});
