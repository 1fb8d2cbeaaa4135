/**
 * Policies that throw, never end, or answer oddly let nothing through: the agent is denied, the target gets nothing, and
 * the trail has it. The bundle is made without the list of built-ins, as one from elsewhere may be, and each label of a
 * task asks for another oddity; a plain label shows that calls do get through otherwise.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { runOpa, writeFiles } from '../unit/policy/bundles.ts';
import { World } from './world.ts';

const stageMs = 300;
const allowed = '"allow": true, "reasons": []';
const fiveMegabytes = 'concat("", [x | some _ in numbers.range(1, 512); x := kilobytes])';

/** Rego of the decision, what stands before it in the rule's body, and the code under which it is denied. */
type Odd = readonly [decision: string, code: string, body?: string];

const odd: Readonly<Record<string, Odd>> = {
  no_decision: ['true', 'policy_undefined', 'input.call.kind == "none of these"'],
  null: ['null', 'decision_invalid'],
  array: [`[{${allowed}}]`, 'decision_invalid'],
  set: [`{{${allowed}}}`, 'decision_invalid'],
  text: ['"allow"', 'decision_invalid'],
  true: ['true', 'decision_invalid'],
  number: ['1', 'decision_invalid'],
  empty: ['{}', 'decision_invalid'],
  allow_text: ['{"allow": "true", "reasons": []}', 'decision_invalid'],
  allow_number: ['{"allow": 1, "reasons": []}', 'decision_invalid'],
  allow_null: ['{"allow": null, "reasons": []}', 'decision_invalid'],
  allow_list: ['{"allow": [true], "reasons": []}', 'decision_invalid'],
  allow_other_case: ['{"Allow": true, "reasons": []}', 'decision_invalid'],
  no_reasons: ['{"allow": true}', 'decision_invalid'],
  reasons_null: ['{"allow": true, "reasons": null}', 'decision_invalid'],
  reasons_map: ['{"allow": true, "reasons": {}}', 'decision_invalid'],
  reason_text: ['{"allow": true, "reasons": ["fine"]}', 'decision_invalid'],
  more: [`{${allowed}, "also": true}`, 'decision_invalid'],
  grant: [`{${allowed}, "grant": {}, "x": 1}`, 'decision_invalid'],
  proto: [`{${allowed}, "__proto__": {"allow": true}}`, 'decision_invalid'],
  only_proto: ['{"__proto__": {"allow": true, "reasons": []}}', 'decision_invalid'],
  proto_demand: [`{${allowed}, "obligations": {"__proto__": {"block": []}}}`, 'obligation_unknown'],
  unknown_demand: [`{${allowed}, "obligations": {"teleport": true}}`, 'obligation_unknown'],
  odd_demand: [`{${allowed}, "obligations": {"regions": "eu-*"}}`, 'decision_invalid'],
  nan_text: [`{${allowed}, "obligations": {"max_tokens": {"value": "NaN", "on_excess": "lower"}}}`, 'decision_invalid'],
  too_large: [
    `{${allowed}, "obligations": {"max_tokens": {"value": 1e999, "on_excess": "lower"}}}`,
    'decision_invalid',
  ],
  half: [`{${allowed}, "obligations": {"max_tokens": {"value": 0.5, "on_excess": "lower"}}}`, 'decision_invalid'],
  twice: ['json.unmarshal(`{"allow": true, "reasons": [], "allow": "false"}`)', 'decision_invalid'],
  deep: [
    'json.unmarshal(deep)',
    'policy_error',
    'deep := concat("", [x | some _ in numbers.range(1, 200000); x := "["])',
  ],
  long_reason: [
    `{"allow": true, "reasons": [{"code": "long", "message": long}]}`,
    'policy_error',
    `long := ${fiveMegabytes}`,
  ],
  long_demand: [`{${allowed}, "obligations": {"mark": {"x": long}}}`, 'policy_error', `long := ${fiveMegabytes}`],
  many_reasons: [
    '{"allow": true, "reasons": [{"code": "c", "message": "m"} | some _ in numbers.range(1, 100)]}',
    'decision_invalid',
  ],
  conflict: [`{${allowed}}`, 'policy_error', 'some _ in [1]\n\ttwo_values'],
  missing_builtin: [`{${allowed}}`, 'policy_error', 'time.now_ns() > 0'],
  no_memory: [`{${allowed}}`, 'policy_error', 'count(numbers.range(1, 100000000)) > 0'],
};

/** Ten million steps, and then a yes that comes too late. */
const slow = `{${allowed}}`;
const slowBody = 'count([1 | some i in numbers.range(1, 3200); some j in numbers.range(1, 3200); i * j == -1]) == 0';

function packageOf(name: string): string {
  const rules = Object.entries({ ...odd, slow: [slow, '', slowBody] as Odd }).map(
    ([label, [decision, , body]]) =>
      `decision := odd if {\n\tasked == "${label}"${body === undefined ? '' : `\n\t${body}`}\n\todd := ${decision}\n}`,
  );
  return [
    `package tollgate.${name}`,
    `asked := object.get(input.task.labels, "${name}", "plain")`,
    `decision := {${allowed}} if asked == "plain"`,
    `kilobytes := concat("", [x | some _ in numbers.range(1, 10240); x := "x"])`,
    'two_values := 1 if input.phase\n\ntwo_values := 2 if input.task.labels',
    ...rules,
  ].join('\n\n');
}

describe('odd policies', part('opa'), () => {
  let world: World;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tollgate-odd-'));
    await writeFiles(join(folder, 'sources'), {
      '.manifest': '{"roots": ["tollgate"]}',
      'tollgate/task/task.rego': packageOf('task'),
      'tollgate/call/call.rego': packageOf('call'),
      'tollgate/response/response.rego': packageOf('response'),
    });
    const file = join(folder, 'bundle.tar.gz');
    const entrypoints = ['task', 'call', 'response'].flatMap((name) => ['-e', `tollgate/${name}/decision`]);
    await runOpa(['build', '-t', 'wasm', '-b', '.', '-o', file, ...entrypoints], join(folder, 'sources'));
    world = await World.open({ config: { policy: { bundle: file } } });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    for (const witness of [world.model, world.orders]) witness.received.length = 0;
  });

  const ways = {
    refund: (token: string) => world.refund(token, 5),
    chat: (token: string) => world.chat(token),
    stream: (token: string) => world.chat(token, { stream: true }),
  };

  test('the control: where nothing odd is asked for, calls and answers pass', async () => {
    const task = await world.task();
    for (const call of Object.values(ways)) assert.equal((await call(task.token)).status, 200);
    assert.equal(world.model.received.length + world.orders.received.length, 3);
  });

  for (const [label, [, code]] of Object.entries(odd)) {
    test(`[policy.fails-closed] a decision about a call that is odd lets nothing through: ${label}`, async () => {
      const task = await world.task({ labels: { call: label } });
      assert.equal(task.status, 201);
      for (const [way, call] of Object.entries(ways)) {
        const response = await call(task.token);
        const text = await response.text();
        assert.equal(response.status, 403, `${way}: ${text.slice(0, 300)}`);
        assert.match(text, /policy_denied/);
      }
      assert.equal(world.model.received.length + world.orders.received.length, 0);
      const events = await world.events({ task: task.id });
      assert.deepEqual(
        events.map(({ type }) => type),
        ['task', 'denial', 'denial', 'denial'],
      );
      for (const { decision } of events.slice(1)) {
        const codes = decision?.reasons.map((reason) => reason.code);
        assert.deepEqual([decision?.allow, codes], [false, ['policy_denied', code]]);
      }
      assert.equal((await world.refund((await world.task()).token, 5)).status, 200, 'the next one is decided again');
    });

    test(`a decision about a task that is odd opens none: ${label}`, async () => {
      const { status, body } = await world.task({ labels: { task: label } });
      assert.deepEqual([status, body.code, body.task_token], [403, 'policy_denied', undefined]);
    });

    test(`a decision about an answer that is odd gives none out: ${label}`, async () => {
      const task = await world.task({ labels: { response: label } });
      for (const [way, call] of Object.entries(ways)) {
        const response = await call(task.token);
        const text = await response.text();
        assert.equal(response.status, 403, `${way}: ${text.slice(0, 300)}`);
        assert.doesNotMatch(text, /hello|choices|paid/);
      }
    });
  }

  test('a yes that comes later than a stage may take is none', async () => {
    const config = { policy: { bundle: join(folder, 'bundle.tar.gz') }, limits: { stage_ms: stageMs } };
    await using hasty = await World.open({ config });
    const task = await hasty.task({ labels: { call: 'slow' } });
    const response = await hasty.refund(task.token, 5);
    assert.equal(response.status, 503, await response.text());
    assert.equal(hasty.orders.received.length, 0);
    assert.deepEqual(
      (await hasty.events({ task: task.id, type: 'denial' })).map(({ decision }) => decision?.reasons[0]?.code),
      ['policy_unavailable'],
    );
  });
});
