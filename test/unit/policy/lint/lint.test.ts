import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { faultLines, faultText } from '../../../../src/policy/lint/fault.ts';
import { lintBundle, lintData } from '../../../../src/policy/lint/lint.ts';
import type { LintWorld } from '../../../../src/policy/lint/world.ts';
import { readSources } from '../../../../src/policy/sources.ts';
import { ManualClock } from '../../../fakes/clock.ts';
import { opaPath, shippedPolicies } from '../bundles.ts';
import { ruleRows } from './faultless.ts';
import { world } from './faulty.ts';
import { dataRows, purposeRows } from './faulty-data.ts';
import { placeRows } from './faulty-places.ts';
import { wordRows } from './faulty-words.ts';

const rows = [...placeRows, ...wordRows, ...purposeRows];
const signal = new AbortController().signal;

function lint(files: Readonly<Record<string, string>>, known: LintWorld | null = world) {
  const sources = Object.entries(files).map(([path, content]) => ({ path, content: Buffer.from(content) }));
  return lintBundle({ files: sources, world: known, opa: opaPath(), clock: new ManualClock(), signal });
}

describe('[policy.faults-told-by-line] a wrong bundle is refused with file and line, and its good twin is not', {
  concurrency: 2,
}, () => {
  for (const { what, bad, good, file, line, code, told } of rows) {
    test(what, async () => {
      const [faults, twin] = await Promise.all([lint(bad), lint(good)]);
      const found = faults.map((fault) => [fault.file, fault.line, fault.code, fault.severity]);
      assert.deepEqual(found, [[file, line, code, 'error']], faultLines(faults).join('\n'));
      assert.match(faults[0]?.message ?? '', told);
      assert.equal(faultText(faults[0] as never), `${file}:${line}: ${faults[0]?.message}`);
      assert.deepEqual(twin.map(faultText), []);
    });
  }
});

test('there are at least 25 of them, and each code is among them', () => {
  assert.ok(rows.length >= 25);
  assert.deepEqual([...new Set(rows.map(({ code }) => code))].sort(), [
    'argument_impossible',
    'argument_not_remembered',
    'asserted_only',
    'data_shape',
    'data_syntax',
    'input_unknown',
    'issuer_unknown',
    'literal_unknown',
    'operation_unknown',
    'purpose_unknown',
    'route_unknown',
  ]);
});

test('without a configuration, names of it are not looked at, and all else is', async () => {
  const ofWorld = [
    'operation_unknown',
    'route_unknown',
    'issuer_unknown',
    'argument_not_remembered',
    'argument_impossible',
  ];
  for (const { bad, code, what } of [...placeRows.slice(0, 6), ...wordRows]) {
    const found = (await lint(bad, null)).map((fault) => fault.code);
    assert.deepEqual(found, ofWorld.includes(code) ? [] : [code], what);
  }
});

test('names of other routes may be let pass as warnings, and nothing else', async () => {
  const options = { world, opa: opaPath(), clock: new ManualClock(), signal, unknownOperations: 'warn' as const };
  const text = [
    'package tollgate.call',
    'deny contains "x" if input.call.operation == "orders.get_oder"',
    'deny contains "x" if input.call.oper == "orders.get_order"',
  ].join('\n\n');
  const files = [{ path: 'a.rego', content: Buffer.from(text) }];
  const found = (await lintBundle({ ...options, files })).map(({ line, severity }) => [line, severity]);
  assert.deepEqual(found, [
    [3, 'warning'],
    [5, 'error'],
  ]);
});

test('several faults are told in the order of the files, each once, and at most 50', async () => {
  const rule = 'deny contains "x" if input.call.effct == "read"';
  const faults = await lint({
    'b.rego': `package tollgate.call\n\n${`${rule}\n`.repeat(60)}`,
    'a.rego': `package tollgate.call\n\n${rule}\n`,
  });
  assert.deepEqual([faults.length, faults[0]?.file, faults[1]?.line, faults[60]?.line], [61, 'a.rego', 3, 62]);
  const lines = faultLines(faults);
  assert.deepEqual([lines.length, lines.at(-1)], [51, 'and 11 more']);
});

test('the shipped policies have no fault, also not with the operations and issuers they name', async () => {
  const files = await readSources(shippedPolicies);
  const options = { files, opa: opaPath(), clock: new ManualClock(), signal };
  assert.deepEqual((await lintBundle({ ...options, world: null })).map(faultText), []);
  const names = ['planner.chat', 'vendor.get_article', 'risk.assess_return', 'parcels.track_parcel'];
  for (const name of ['get_customer', 'list_orders', 'get_order']) names.push(`orders.${name}`);
  const operations = names.map((name) => ({ name, route: name.split('.')[0] as string, effect: 'read', remember: [] }));
  const refund = { name: 'refunds.create_refund', route: 'refunds', effect: 'write', remember: ['body.amount_cents'] };
  const all = {
    operations: [...operations, refund],
    routes: ['planner', 'orders', 'risk', 'vendor', 'refunds', 'parcels'],
    issuers: ['azure', 'onprem', 'edge'],
    subjectIssuers: ['shop'],
  };
  assert.deepEqual((await lintBundle({ ...options, world: all })).map(faultText), []);
  const fewer = await lintBundle({ ...options, world: { ...all, operations: all.operations.slice(1) } });
  const found = fewer.map(({ file, line, code }) => [file, line, code]);
  const data = await readFile(join(shippedPolicies, 'tollgate/purposes/data.yaml'), 'utf8');
  const line = data.split('\n').findIndex((text) => text.trim() === 'planner.chat:') + 1;
  assert.deepEqual(found, [['tollgate/purposes/data.yaml', line, 'operation_unknown']]);
});

test('of a compiled bundle the data is looked at, and faults are told by pointer', () => {
  for (const { what, purposes, pointer, code } of dataRows) {
    const faults = lintData({ tollgate: { purposes } }, world);
    assert.deepEqual(
      faults.map((fault) => [fault.pointer, fault.code]),
      [[`/tollgate/purposes${pointer}`, code]],
      what,
    );
    assert.match(faultText(faults[0] as never), /^data\.json\/tollgate\/purposes/);
  }
  assert.deepEqual(lintData({}, world), []);
  assert.deepEqual(lintData(null, world), []);
  assert.deepEqual(lintData({ tollgate: { other: 1 } }, world), []);
});

describe('what is right stays unsaid', { concurrency: 2 }, () => {
  for (const [what, text] of Object.entries(ruleRows)) {
    test(what, async () => assert.deepEqual((await lint({ 'tollgate/call/a.rego': text })).map(faultText), []));
  }
});
