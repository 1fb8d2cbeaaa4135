/** On whose behalf: subjects by a token of their own, or as the agent says, and what policy, trail and services see. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import type { AuditEvent } from '../../src/audit/event.ts';
import { FakeIssuer } from '../fakes/issuer.ts';
import { part } from '../parts.ts';
import { exchange, partOf } from './exchange-form.ts';
import { type OpenedTask, World } from './world.ts';

const aud = 'api://customers';
/** The policy asks that the issuer of customers vouches for the subject. */
const labels = { vouched_by: 'shop' };

describe('subjects', part('opa'), () => {
  let shop: FakeIssuer;
  let staff: FakeIssuer;
  let world: World;
  before(async () => {
    [shop, staff] = await Promise.all([FakeIssuer.open(), FakeIssuer.open()]);
    const common = { audiences: [aud], algorithms: ['ES256'] };
    world = await World.open({
      config: {
        audit: { refusals_per_second: 1000 },
        subject_issuers: [
          { name: 'shop', issuer: shop.url, ...common, tenant: 'claims.tid' },
          { name: 'staff', issuer: staff.url, ...common },
        ],
      },
    });
  });
  after(async () => {
    await Promise.all([shop, staff, world].map((open) => open?.[Symbol.asyncDispose]()));
  });
  beforeEach(() => {
    world.orders.received.length = 0;
  });

  const tokenOf = (customer: string, claims: Record<string, unknown> = {}) => shop.token(customer, { aud, ...claims });
  const created = async () => (await world.events({ operation: 'task.create', type: 'task' })).length;

  /** What a service is told of the subject of a call of `task`. */
  async function toldToService(task: OpenedTask): Promise<unknown[]> {
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
    const { sub, act, tctx } = decodeJwt(String(world.orders.received.at(-1)?.headers['txn-token']));
    return [sub, act, (tctx as { subject_assurance: string }).subject_assurance];
  }

  test('[identity.subject-vouched-for] where the policy wants C vouched for, an agent without a token of C has no task for C', async () => {
    const before = await created();
    const asserted = await world.task({ subject: { id: 'C-1' }, labels });
    assert.deepEqual([asserted.status, asserted.body.code], [403, 'policy_denied']);
    const none = await world.task({ labels });
    assert.deepEqual([none.status, none.body.code], [403, 'policy_denied']);
    assert.equal(await created(), before, 'nothing came to be');
    const denials = (await world.events({ code: 'policy_denied' })).slice(-2);
    assert.deepEqual(
      denials.map(({ subject, decision }) => [subject, decision?.reasons.at(-1)?.code]),
      [
        [{ id: 'C-1', type: 'customer', assurance: 'asserted' }, 'subject_unverified'],
        [null, 'subject_unverified'],
      ],
    );

    const verified = await world.task({ subject: { token: tokenOf('C-1') }, labels });
    assert.equal(verified.status, 201);
    assert.deepEqual(await toldToService(verified), ['C-1', { sub: 'coordinator' }, 'verified']);
    const events = await world.events({ task: verified.id });
    const whose = { id: 'C-1', type: 'customer', assurance: 'verified', issuer: 'shop' };
    assert.deepEqual(
      events.map(({ type, subject }) => [type, subject]),
      ['task', 'intent', 'outcome'].map((type) => [type, whose]),
    );
    const document = (await (await world.fetch(`/tasks/${verified.id}`, verified.token)).json()) as {
      subject: unknown;
    };
    assert.deepEqual(document.subject, { id: 'C-1', type: 'customer', assurance: 'verified' });
    assert.deepEqual(decodeJwt(verified.token).sub, 'C-1');
  });

  test('a token of one customer gives a task for that customer, and an asserted subject stays asserted', async () => {
    const other = await world.task({ subject: { token: tokenOf('C-2') }, labels });
    assert.deepEqual((await toldToService(other))[0], 'C-2');
    const employee = await world.task({ subject: { token: staff.token('E-1', { aud }) }, labels });
    assert.equal(employee.status, 403, 'vouched for by another issuer than the policy asks for');
    const asserted = await world.task({ subject: { id: 'C-2', type: 'employee' } });
    assert.deepEqual(await toldToService(asserted), ['C-2', { sub: 'coordinator' }, 'asserted']);
    const [event] = await world.events({ task: asserted.id });
    assert.deepEqual(event?.subject, { id: 'C-2', type: 'employee', assurance: 'asserted' });
  });

  test('[identity.wrong-subject-token] what is no good token of a subject, or not for this agent, opens no task, and the trail says why', async () => {
    const task = await world.task({ subject: { id: 'C-1' } });
    await toldToService(task);
    const txnToken = String(world.orders.received.at(-1)?.headers['txn-token']);
    const good = tokenOf('C-1');
    const past = Math.floor(Date.now() / 1000) - 600;
    const rows: Record<string, [string, string]> = {
      'one that has expired': [tokenOf('C-1', { iat: past, exp: past + 300 }), 'token_expired'],
      'one for another audience': [tokenOf('C-1', { aud: 'api://elsewhere' }), 'audience_wrong'],
      'one of an issuer that vouches for nobody': [tokenOf('C-1', { iss: 'https://elsewhere' }), 'issuer_unknown'],
      'one that another issuer has signed': [staff.token('C-1', { aud, iss: shop.url }), 'signature_invalid'],
      'one of another tenant': [tokenOf('C-1', { tid: 'umbrella' }), 'tenant_wrong'],
      'one that is changed': [`${good.slice(0, -4)}AAAA`, 'signature_invalid'],
      'one that may be shown by another agent alone': [
        tokenOf('C-1', { may_act: { sub: 'somebody-else' } }),
        'actor_wrong',
      ],
      'a workload token': [world.issuer.token('C-1'), 'issuer_unknown'],
      'the task token of a task': [task.token, 'issuer_unknown'],
      'a Txn-Token': [txnToken, 'token_kind'],
      'no token': ['x.y.z', 'token_malformed'],
    };
    for (const [what, [token, reason]] of Object.entries(rows)) {
      const before = await created();
      const refused = await world.task({ subject: { token } });
      const reasons = refused.body.reasons as { code: string; path: string }[];
      assert.deepEqual(
        [refused.status, refused.body.code, reasons[0]?.code, reasons[0]?.path],
        [401, 'unauthenticated', reason, '/subject/token'],
        what,
      );
      assert.equal(await created(), before, what);
      const [event] = (await world.events({ type: 'denial', code: 'unauthenticated' })).slice(-1);
      assert.equal(event?.decision?.reasons[1]?.code, reason, what);
      assert.equal(event?.trace_id, refused.body.trace_id, what);
    }
    const mayAct = tokenOf('C-1', { may_act: { sub: 'coordinator', iss: world.issuer.url } });
    for (const token of [good, mayAct]) assert.equal((await world.task({ subject: { token } })).status, 201);
  });

  test('a subject is named by its token or by the agent, not by both, and not half', async () => {
    const token = tokenOf('C-1');
    const bodies = [{ token, id: 'C-1' }, { token, type: 'customer' }, {}, { type: 'customer' }, { token: '' }];
    for (const subject of bodies) {
      const refused = await world.task({ subject });
      const [reason] = refused.body.reasons as { path: string }[];
      assert.deepEqual([refused.status, refused.body.code], [422, 'args_invalid'], JSON.stringify(reason));
      assert.match(reason?.path ?? '', /^\/subject/);
    }
  });

  test('the token of a subject is kept nowhere: not in the record, the trail, its payloads, or the log', async () => {
    const token = tokenOf('C-1', { email: 'c1@example.com' });
    const signature = token.split('.')[2] ?? '';
    const task = await world.task({ subject: { token }, labels });
    await world.task({ subject: { token }, labels: { vouched_by: 'staff' } });
    await world.task({ subject: { token: `${token}x` } });
    await exchange(world, partOf(task.token, world.issuer.token('legal-risk'), { subject: { token } }));
    const payloads = await (await world.admin(`/audit/tasks/${task.id}/payloads`)).text();
    assert.ok(payloads.includes(String.raw`\"assurance\":\"verified\"`), 'the control: the request stands there');
    const events = JSON.stringify(await world.events());
    assert.match(events, /"assurance":"verified"/);
    const document = await (await world.fetch(`/tasks/${task.id}`, task.token)).text();
    for (const kept of [payloads, events, document, world.logs.join('\n'), task.token]) {
      assert.ok(!kept.includes(signature) && !kept.includes('c1@example.com'));
    }
  });

  test('[task.part-same-subject] a part is on behalf of the subject of the whole, whoever else vouches for somebody', async () => {
    const whole = await world.task({ subject: { token: tokenOf('C-1') } });
    const partFor = (task: OpenedTask, subject: object) =>
      exchange(world, partOf(task.token, world.issuer.token('legal-risk'), { subject }));
    const subjectOfPart = async (id: string): Promise<AuditEvent['subject'] | undefined> =>
      (await world.events({ task: id }))[0]?.subject;
    for (const subject of [{ token: tokenOf('C-1') }, { id: 'C-1' }, { id: 'C-1', type: 'customer' }]) {
      const { status, answer } = await partFor(whole, subject);
      assert.equal(status, 200);
      assert.equal((await subjectOfPart(answer.task_id))?.issuer, 'shop');
    }
    for (const subject of [{ token: tokenOf('C-2') }, { token: staff.token('C-1', { aud }) }, { id: 'C-2' }]) {
      const { status, answer } = await partFor(whole, subject);
      assert.deepEqual(
        [status, answer.error, answer.reasons?.[0]?.code],
        [400, 'invalid_authorization_details', 'other_subject'],
      );
    }
    const foreign = await partFor(whole, { token: tokenOf('C-1', { aud: 'api://elsewhere' }) });
    assert.deepEqual([foreign.status, foreign.answer.error], [400, 'invalid_request']);

    const asserted = await world.task({ subject: { id: 'C-1' } });
    const part = await partFor(asserted, { token: tokenOf('C-1') });
    assert.equal(part.status, 200);
    assert.equal((await subjectOfPart(part.answer.task_id))?.assurance, 'asserted', 'a part upgrades nothing');
  });
});
