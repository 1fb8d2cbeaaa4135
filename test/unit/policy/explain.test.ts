/** Which rules fired, over every form that a rule can have; and that a difference between the two engines is said. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import type { JsonObject } from '../../../src/call.ts';
import { systemClock } from '../../../src/clock.ts';
import { type Explained, type ExplainedQuestion, RuleExplainer } from '../../../src/policy/explain.ts';
import { readSources, type SourceFile } from '../../../src/policy/sources.ts';
import { part } from '../../parts.ts';
import { opaPath, shippedPolicies } from './bundles.ts';

const call = `package tollgate.call

import data.tollgate.lib

default allow := false

allow if {
	input.a == 1
	input.b == 2
}

deny contains {"code": "two", "message": "b is large"} if input.b > 10

deny contains {"code": "named", "message": "n"} if {
	some name in input.names
	startswith(name, "x")
}

level := "high" if {
	input.b > 10
} else := "mid" if {
	input.b > 5
} else := "low"

double(n) := n * 2 if n > 0

double(n) := 0 if n <= 0

over[name] := limit if {
	some name, limit in input.limits
	limit > double(2)
}

word := "constant"

never if {
	input.a == 99
}

decision := {"allow": allow, "reasons": sort([r | some r in deny]), "obligations": {"mark": marks}} if {
	not never
}

marks := {"level": level, "over": count(over), "word": word, "lib": lib.small}
`;
const lib = 'package tollgate.lib\n\ndefault small := false\n\nsmall if input.b < 3\n\nunasked if input.b == 7\n';
const other = 'package tollgate.other\n\nrule if input.b < 3\n';

function filesOf(files: Readonly<Record<string, string>>): SourceFile[] {
  return Object.entries(files).map(([path, content]) => ({ path, content: Buffer.from(content) }));
}

const files = filesOf({
  'tollgate/call/call.rego': call,
  'tollgate/lib/lib.rego': lib,
  'tollgate/other/other.rego': other,
});
const nothing = { allow: false, reasons: [], obligations: {} };
const explainer = () => new RuleExplainer({ opa: async () => opaPath(), clock: systemClock() });

async function explained(question: Partial<ExplainedQuestion>): Promise<Explained> {
  const whole = { phase: 'call' as const, input: {}, files, decision: nothing, ...question };
  const found = await explainer().explain(whole);
  assert.ok('rules' in found, JSON.stringify(found));
  return found;
}

/** `name:line` of the rules that came out like this. */
function named({ rules }: Explained, outcome: string): string[] {
  return rules.filter((rule) => rule.outcome === outcome).map(({ name, line }) => `${name}:${line}`);
}

describe('the rules that fired', part('opa'), () => {
  const always = ['word:34', 'decision:40', 'marks:44'];
  const rows: readonly { readonly input: JsonObject; readonly fired: string[]; readonly tried: string[] }[] = [
    {
      input: { a: 1, b: 2, limits: {}, names: [] },
      fired: ['allow:7', 'level:23', 'small:5', ...always],
      tried: ['deny:12', 'deny:14', 'level:19', 'level:21', 'over:29', 'never:36'],
    },
    {
      input: { a: 1, b: 11, limits: { x: 5, y: 1 }, names: ['a', 'xb'] },
      fired: ['allow:5', 'small:3', 'deny:12', 'deny:14', 'level:19', 'double:25', 'over:29', ...always],
      // The rest of a chain is not asked once an arm held.
      tried: ['allow:7', 'double:27', 'never:36', 'small:5'],
    },
    {
      input: { a: 99, b: 6 },
      fired: ['never:36'],
      // Nothing behind what did not hold is asked: not the marks, and through them neither the library.
      tried: ['decision:40'],
    },
  ];
  for (const { input, fired, tried } of rows) {
    test(`[policy.explained] exactly those, on ${JSON.stringify(input)}`, async () => {
      const found = await explained({ input });
      assert.deepEqual(
        [named(found, 'fired').toSorted(), named(found, 'tried').toSorted()],
        [fired.toSorted(), tried.toSorted()],
      );
      const packages = new Set(found.rules.map((rule) => rule.package));
      assert.equal(packages.has('tollgate.other'), false, 'a package that nobody asked is not listed');
    });
  }

  test('an arm of a chain has its own text and line, a default its whole line, a function its name', async () => {
    const { rules } = await explained({ input: { a: 1, b: 2 } });
    const at = (line: number) => rules.find((rule) => rule.line === line);
    assert.deepEqual([at(19)?.text, at(19)?.kind], ['level := "high" if {\n\tinput.b > 10\n}', 'rule']);
    assert.deepEqual([at(21)?.text, at(21)?.kind], ['else := "mid" if {\n\tinput.b > 5\n}', 'else']);
    assert.deepEqual([at(5)?.text, at(5)?.kind], ['default allow := false', 'default']);
    assert.deepEqual([at(25)?.name, at(25)?.kind, at(25)?.file], ['double', 'function', 'tollgate/call/call.rego']);
  });

  test('a decision that OPA agrees with is no mismatch, any other is, with what OPA decided', async () => {
    const mark = { level: 'low', over: 0, word: 'constant', lib: true };
    const input = { a: 1, b: 2 };
    const good = { allow: true, reasons: [], obligations: { mark } };
    assert.equal((await explained({ input, decision: good })).mismatch, null);
    const wrong = await explained({ input, decision: { ...good, obligations: {} } });
    assert.deepEqual(wrong.mismatch, good);
    const undecided = { ...nothing, reasons: [{ code: 'policy_undefined', message: 'in the words of the gate' }] };
    assert.equal((await explained({ input: { a: 99 }, decision: undecided })).mismatch, null);
    assert.equal(
      (await explained({ input: { a: 99 }, decision: good })).mismatch?.reasons[0]?.code,
      'policy_undefined',
    );
  });

  test('a policy that fails while it decides is explained as far as it came', async () => {
    const conflict = 'package tollgate.call\n\ndecision := {"a": 1} if input.a\n\ndecision := {"a": 2} if input.b\n';
    const failed = { ...nothing, reasons: [{ code: 'policy_error', message: 'The policy failed.' }] };
    const found = await explained({ input: { a: 1, b: 1 }, files: filesOf({ 'c.rego': conflict }), decision: failed });
    assert.deepEqual([named(found, 'fired'), found.mismatch], [['decision:3', 'decision:5'], null]);
  });

  test('a bundle whose decision rule was compiled away tells of its other rules, and compares nothing', async () => {
    const pruned = call
      .replace(/decision := .*\n.*\n}\n/, '')
      .replace('lib\n', 'lib\nimport data.tollgate.call.decision\n');
    assert.doesNotMatch(pruned, /decision :=/);
    const found = await explained({ input: { a: 1, b: 11 }, files: filesOf({ 'c.rego': pruned, 'l.rego': lib }) });
    assert.deepEqual([found.compared, found.mismatch], [false, null]);
    assert.deepEqual(named(found, 'fired').includes('deny:13'), true);
  });

  test('what cannot be explained says why, and leaves no folder behind', async () => {
    const rows: readonly (readonly [readonly SourceFile[], RegExp])[] = [
      [
        filesOf({ 'a.rego': 'package tollgate.task\n\ndecision if input.a' }),
        /no sources of the package tollgate\.call/,
      ],
      [filesOf({ 'a.rego': 'package tollgate.call\n\ndecision if {' }), /a\.rego is no Rego/],
      [filesOf({ 'a.rego': 'package tollgate.call\n\ndecision if http.send({})' }), /OPA failed: .*http\.send/s],
      [filesOf({ '../a.rego': 'package tollgate.call\n\ndecision := 1' }), /is no Rego/],
      [[], /no sources/],
    ];
    const folders = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('tollgate-explain-'));
    const before = await folders();
    for (const [sources, why] of rows) {
      const found = await explainer().explain({ phase: 'call', input: {}, files: sources, decision: nothing });
      assert.match('unavailable' in found ? found.unavailable : 'was explained', why);
    }
    const none = new RuleExplainer({ opa: async () => undefined, clock: systemClock() });
    const found = await none.explain({ phase: 'call', input: {}, files, decision: nothing });
    assert.match('unavailable' in found ? found.unavailable : '', /There is no OPA/);
    assert.deepEqual(
      (await folders()).filter((name) => !before.includes(name)),
      [],
    );
  });

  test('two run at once, eight wait, and more are told so', async () => {
    const busy = explainer();
    const ask = () => busy.explain({ phase: 'call', input: {}, files, decision: nothing });
    const answers = await Promise.all(Array.from({ length: 12 }, ask));
    assert.deepEqual(
      answers
        .map((answer) => ('unavailable' in answer ? answer.unavailable : 'rules'))
        .filter((text) => text !== 'rules'),
      Array.from({ length: 2 }, () => 'Too many evaluations are explained at once.'),
    );
    assert.ok('rules' in (await ask()), 'places are given back');
  });

  test('one that hangs is given up after ten seconds of the clock', async () => {
    const timers: (() => void)[] = [];
    const clock = {
      after: (_ms: number, run: () => void) => {
        timers.push(run);
        return { cancel: () => undefined };
      },
    };
    const slow = new RuleExplainer({ opa: async () => '/bin/sleep', clock });
    const opa = async () => {
      timers.at(-1)?.();
      return opaPath();
    };
    const hanging = new RuleExplainer({ clock, opa });
    for (const [one, why] of [
      [slow, /is no Rego|OPA failed/],
      [hanging, /longer than 10 seconds/],
    ] as const) {
      const found = await one.explain({ phase: 'call', input: {}, files, decision: nothing });
      assert.match('unavailable' in found ? found.unavailable : 'was explained', why);
    }
  });

  test('of the shipped policies the rules of every package reached are there, by file', async () => {
    const found = await explained({ files: await readSources(shippedPolicies), input: {} });
    assert.equal(
      found.rules.some(({ name, outcome }) => name === 'decision' && outcome === 'fired'),
      true,
    );
    assert.equal(
      found.rules.some((rule) => rule.package === 'tollgate.lib.decision' || rule.package === 'tollgate.lib'),
      true,
    );
    for (const { file } of found.rules) assert.match(file, /^tollgate\/(?:call|lib)\/[a-z_]+\.rego$/);
  });
});
