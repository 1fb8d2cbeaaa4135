/** What the decision log sends, keeps and drops, over a server that is a function and a clock of the test's own. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../../../src/call.ts';
import type { LogPolicy } from '../../../../src/policy/report/event.ts';
import { decidedOn, labels, logOn } from './decided.ts';

const says = (policy: Partial<LogPolicy>) => ({
  logPolicy: () => ({ mask: () => undefined, drop: () => undefined, ...policy }),
});
/** Text that no compressing makes smaller. */
const noise = (bytes: number) => randomBytes(Math.ceil((bytes * 3) / 4)).toString('base64');

describe('the decision log', () => {
  it("writes a decision in OPA's format", async (t) => {
    const { log, taken, until } = await logOn(t);
    const decided = decidedOn({ body: { amount: 7 } });
    log.record(decided);
    await until(() => taken.length === 1, 'it is sent');
    assert.deepEqual(taken[0], {
      labels,
      decision_id: 'dec_1',
      trace_id: 'a'.repeat(32),
      span_id: 'b'.repeat(16),
      bundles: { team: { revision: 'r1' } },
      path: 'tollgate/call/decision',
      input: JSON.parse(JSON.stringify(decided.decision.input)),
      result: { allow: true, reasons: [{ code: 'fine', message: 'It is fine.' }], obligations: {} },
      requested_by: 'coordinator',
      timestamp: '2026-11-02T09:00:00.000Z',
      metrics: { timer_rego_query_eval_ns: 125_000 },
      req_id: 1,
      custom: { call_id: 'call_1', task_id: 'task_1' },
    });
  });

  it('sends nothing before the shortest delay, one array for what came until then, and shows its token', async (t) => {
    const { log, asked, taken, clock, until } = await logOn(t, { settings: { token: 'secret' } });
    for (let index = 0; index < 50; index++) log.record(decidedOn());
    await clock.advance(4_900);
    assert.equal(asked.length, 0);
    await until(() => taken.length === 50, 'all are sent');
    assert.equal(asked.length, 1);
    assert.equal(asked[0]?.headers.authorization, 'Bearer secret');
    assert.equal(asked[0]?.headers['content-encoding'], 'gzip');
    assert.deepEqual(
      taken.map(({ req_id }) => req_id),
      Array.from({ length: 50 }, (_, index) => index + 1),
    );
    assert.equal(log.counts().sent, 50);
    assert.equal(log.waiting, 0);
  });

  it('keeps each upload within its bound, in order', async (t) => {
    const { log, asked, taken, until } = await logOn(t, { settings: { upload_bytes: 4_096 } });
    for (let index = 0; index < 60; index++) log.record(decidedOn({ note: noise(index % 7 === 0 ? 2_000 : 100) }));
    await until(() => taken.length === 60, 'all are sent');
    assert.ok(asked.length > 1);
    for (const { body } of asked) assert.ok(body.length <= 4_096, `${body.length}`);
    assert.deepEqual(
      taken.map(({ req_id }) => req_id),
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
  });

  it('sends an event without its input where it is too large with it, and says so', async (t) => {
    const { log, taken, until } = await logOn(t, { settings: { upload_bytes: 4_096 } });
    log.record(decidedOn({ note: noise(20_000) }));
    log.record(decidedOn());
    await until(() => taken.length === 2, 'both are sent');
    const large = taken.find(({ input }) => input === undefined);
    assert.deepEqual(large?.erased, ['/input']);
    assert.equal(large?.decision_id, 'dec_1');
    assert.equal(log.counts().inputErased, 1);
  });

  it('drops an event that is too large without its input, too, and counts it', async (t) => {
    const { log, taken, until } = await logOn(t, { settings: { upload_bytes: 4_096 } });
    log.record(decidedOn({}, { reasons: [{ code: 'long', message: noise(20_000) }] }));
    log.record(decidedOn());
    await until(() => taken.length === 1 && log.counts().dropped.too_large === 1, 'the other one is sent');
  });

  it('drops the oldest when its buffer is full, counts them, and goes on when the server is back', async (t) => {
    let away = true;
    const { log, asked, taken, logged, clock, until } = await logOn(
      t,
      { settings: { buffer_bytes: 65_536, upload_bytes: 4_096 } },
      () => (away ? Promise.reject(new Error('connection refused')) : 200),
    );
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 20; index++) log.record(decidedOn({ round }));
      await clock.advance(100);
    }
    await until(() => log.counts().uploadsFailed >= 3, 'it tries again');
    const { buffer: dropped } = log.counts().dropped;
    assert.ok(dropped > 0);
    assert.ok(log.waiting * 1_500 < 65_536 + 40 * 1_500, `${log.waiting} wait`);
    assert.equal(log.fault?.message, 'connection refused');
    away = false;
    await until(() => log.waiting === 0 && log.fault === null, 'what is left is sent', 1_000);
    assert.equal(taken.length + log.counts().dropped.buffer, 400);
    assert.equal(log.counts().sent, taken.length);
    assert.equal(taken.at(-1)?.req_id, 400, 'the newest are those that stay');
    assert.ok(asked.length < 200, `${asked.length} requests`);
    const away1 = logged.filter(({ message }) => message === 'decisions cannot be reported now');
    assert.equal(away1.length, 1, 'it is said once');
    assert.ok(logged.some(({ message }) => message === 'decisions are reported again'));
  });

  it('bounds what waits to be written down, and drops the oldest of it', async (t) => {
    const { log, taken, until } = await logOn(t);
    for (let index = 0; index < 10_000; index++) log.record(decidedOn());
    assert.ok(log.waiting <= 4_096, `${log.waiting} wait`);
    const { backlog } = log.counts().dropped;
    await until(() => log.waiting === 0 && taken.length === log.counts().sent, 'the rest is sent', 1_000);
    assert.equal(taken.length + backlog, 10_000);
  });

  it('waits as long as the server asks, and no longer than five minutes', async (t) => {
    let tries = 0;
    const { log, asked, taken, clock, until } = await logOn(t, {}, () => {
      tries += 1;
      if (tries === 1) return Promise.resolve({ status: 429, retryAfter: '60' });
      if (tries === 2) return Promise.resolve({ status: 503, retryAfter: '86400' });
      return 200;
    });
    log.record(decidedOn());
    await until(() => asked.length === 1, 'the first try');
    await clock.advance(59_000);
    assert.equal(asked.length, 1);
    await until(() => asked.length === 2, 'the second try');
    await clock.advance(299_000);
    assert.equal(asked.length, 2);
    await until(() => taken.length === 1, 'the third try', 1_000);
  });

  it('drops what is refused for good, says so once for each kind, and goes on', async (t) => {
    let status = 400;
    const { log, asked, taken, logged, until } = await logOn(t, {}, () => status);
    for (let round = 1; round <= 3; round++) {
      log.record(decidedOn());
      await until(() => asked.length === round && log.waiting === 0, `round ${round}`);
    }
    assert.equal(log.counts().dropped.refused, 3);
    assert.equal(logged.filter(({ level }) => level === 'error').length, 1);
    status = 302;
    log.record(decidedOn());
    await until(() => log.counts().dropped.refused === 4, 'a redirect is not followed');
    status = 200;
    log.record(decidedOn());
    await until(() => taken.length === 1, 'the next one is sent');
  });

  it('sends what waits when it closes, and leaves no timer', async (t) => {
    const { log, clock, taken } = await logOn(t);
    for (let index = 0; index < 300; index++) log.record(decidedOn());
    await log[Symbol.asyncDispose]();
    assert.equal(taken.length, 300);
    assert.equal(clock.timers, 0);
    log.record(decidedOn());
    assert.equal(log.counts().dropped.closed, 1);
  });

  it('ends after one try of each upload where the server is away when it closes', async (t) => {
    const { log, clock, asked } = await logOn(t, {}, () => Promise.reject(new Error('away')));
    log.record(decidedOn());
    await log[Symbol.asyncDispose]();
    assert.equal(asked.length, 1);
    assert.equal(log.counts().dropped.closed, 1);
    assert.equal(clock.timers, 0);
  });

  it('ends within three seconds where the server hangs when it closes', async (t) => {
    const hanging = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))));
    const { log, asked, until, clock } = await logOn(t, {}, ({ signal }) => hanging(signal));
    log.record(decidedOn());
    await until(() => asked.length === 1, 'it is under way');
    let ended = false;
    const closing = log[Symbol.asyncDispose]().then(() => {
      ended = true;
    });
    await clock.advance(2_900);
    assert.equal(ended, false);
    await clock.advance(200);
    await closing;
    assert.equal(log.counts().dropped.closed, 1);
  });
});

describe('what of a decision is reported', () => {
  const secret = 'anna@example.com';
  const redact = (input: JsonObject) => JSON.parse(JSON.stringify(input).replaceAll(secret, '[email]')) as JsonObject;
  const redacting = { redact, redactValue: (value: unknown) => redact(value as JsonObject) as never };

  it('is without personal data, in the input and in what the policy says [policy.decision-logs-redacted]', async (t) => {
    const { log, taken, until } = await logOn(t, redacting);
    log.record(decidedOn({ to: secret }, { reasons: [{ code: 'no', message: `Not to ${secret}.` }] }));
    await until(() => taken.length === 1, 'it is sent');
    assert.equal(JSON.stringify(taken).includes(secret), false);
    assert.equal(taken[0]?.input?.call.arguments.to, '[email]');
  });

  it('is redacted after the mask, so that what a mask puts in is redacted, too', async (t) => {
    const mask = () => [{ op: 'upsert', path: '/input/call/arguments/copy', value: `was ${secret}` }];
    const { log, taken, until } = await logOn(t, { ...redacting, ...says({ mask }) });
    log.record(decidedOn({ to: secret }));
    await until(() => taken.length === 1, 'it is sent');
    assert.deepEqual(taken[0]?.input?.call.arguments, { to: '[email]', copy: 'was [email]' });
    assert.deepEqual(taken[0]?.masked, ['/input/call/arguments/copy']);
  });

  it('is what the mask leaves of it; the mask sees the event as it was decided', async (t) => {
    const seen: JsonObject[] = [];
    const mask = (event: JsonObject) => {
      seen.push(event);
      return ['/input/call/arguments/to', '/result/reasons'];
    };
    const { log, taken, until } = await logOn(t, { ...redacting, ...says({ mask }) });
    log.record(decidedOn({ to: secret, amount: 1 }));
    await until(() => taken.length === 1, 'it is sent');
    assert.match(JSON.stringify(seen[0]?.input), /anna@example\.com/);
    assert.equal(seen[0]?.path, 'tollgate/call/decision');
    assert.deepEqual(taken[0]?.input?.call.arguments, { amount: 1 });
    assert.deepEqual(taken[0]?.result, { allow: true, obligations: {} });
    assert.deepEqual(taken[0]?.erased, ['/input/call/arguments/to', '/result/reasons']);
  });

  it('is nothing where the bundle says drop', async (t) => {
    const drop = ({ result }: JsonObject) => (result as { allow: boolean }).allow;
    const { log, taken, until } = await logOn(t, says({ drop }));
    log.record(decidedOn());
    log.record(decidedOn({}, { allow: false }));
    await until(() => taken.length === 1, 'one is sent');
    assert.equal(taken[0]?.result.allow, false);
    assert.equal(log.counts().unwanted, 1);
  });

  const throwing = () => {
    throw { message: 'eval_builtin_error' };
  };
  const failing = {
    'a mask that throws': says({ mask: throwing }),
    'a mask that is none': says({ mask: () => 'everything' }),
    'a mask with one rule that is none': says({ mask: () => ['/input/call', { op: 'hide', path: '/input' }] }),
    'a drop that throws': says({ drop: throwing }),
    'a redaction that throws': { redact: throwing },
    'a bundle that cannot be asked': { logPolicy: throwing },
  };
  for (const [what, options] of Object.entries(failing)) {
    it(`is neither input nor reasons after ${what} [policy.decision-logs-withheld]`, async (t) => {
      const { log, taken, logged, until } = await logOn(t, options);
      log.record(decidedOn({ to: secret }, { reasons: [{ code: 'c', message: secret }] }));
      log.record(decidedOn({ to: secret }));
      await until(() => taken.length === 2, 'it is sent all the same');
      for (const event of taken) {
        assert.equal(event.input, undefined);
        assert.deepEqual(event.result, { allow: true });
        assert.deepEqual(event.erased, ['/input', '/result/reasons', '/result/obligations']);
        assert.equal(event.decision_id, 'dec_1');
      }
      assert.equal(JSON.stringify(taken).includes(secret), false);
      assert.equal(log.counts().withheld, 2);
      assert.equal(logged.filter(({ level }) => level === 'error').length, 1, 'it is said once');
    });
  }

  it('is nothing where it cannot be written down, and the others go', async (t) => {
    const { log, taken, until } = await logOn(t);
    log.record(decidedOn({ loop: 1n as never }));
    log.record(decidedOn());
    await until(() => taken.length === 1, 'the other one is sent');
    assert.equal(log.counts().dropped.unwritable, 1);
  });
});
