import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches } from '../../../src/pattern.ts';
import { permittedTargets } from '../../../src/route/residency.ts';
import { RouteTable } from '../../../src/route/table.ts';
import { goodRoutes, httpRow, httpTargetRow } from './config.ts';

const table: readonly [pattern: string, name: string, fits: boolean][] = [
  ['eu-*', 'eu-central-1', true],
  ['eu-*', 'eu-', true],
  ['eu-*', 'eu', false],
  ['eu-*', 'xeu-west', false],
  ['*', '', true],
  ['*', 'anything', true],
  ['eu', 'eu', true],
  ['eu', 'eu-west', false],
  ['*-west-*', 'eu-west-1', true],
  ['*-west-*', 'eu-east-1', false],
  ['*-1', 'eu-west-1', true],
  ['*-1', 'eu-west-11', false],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['a*b*b', 'ab', false],
  ['a*b*b', 'abb', true],
  ['a**b', 'ab', true],
  ['EU-*', 'eu-west-1', false],
  ['eu.west', 'eu-west', false],
  ['', 'eu', false],
];
for (const [pattern, name, fits] of table) {
  test(`the pattern "${pattern}" ${fits ? 'permits' : 'does not permit'} "${name}"`, () => {
    assert.equal(matches(pattern, name), fits);
  });
}

const places = [
  ['fra', 'aws', 'eu-central-1'],
  ['iad', 'aws', 'us-east-1'],
  ['ams', 'azure', 'eu-west'],
];
const targets =
  RouteTable.build({
    routes: goodRoutes({
      ...httpRow,
      targets: places.map(([name, cloud, region]) => ({
        ...httpTargetRow,
        name: `${name}`,
        cloud: `${cloud}`,
        region: `${region}`,
      })),
    }),
    sources: [{ kind: 'http', operations: () => ({ operations: [], faults: [] }) }],
    openapi: {},
  }).route('orders')?.targets ?? [];
const names = (obligations: Parameters<typeof permittedTargets>[1]): string[] =>
  permittedTargets(targets, obligations).map(({ name }) => name);

test('without obligations every target is permitted', () => {
  assert.deepEqual(names({}), ['fra', 'iad', 'ams']);
});

test('regions and clouds both have to fit, each by any of its patterns', () => {
  assert.deepEqual(names({ regions: ['eu-*'] }), ['fra', 'ams']);
  assert.deepEqual(names({ regions: ['eu-*'], clouds: ['azure', 'gcp'] }), ['ams']);
  assert.deepEqual(names({ regions: ['us-*'], clouds: ['azure'] }), []);
});

test('an empty list permits nothing', () => {
  assert.deepEqual(names({ regions: [] }), []);
  assert.deepEqual(names({ clouds: [] }), []);
});
