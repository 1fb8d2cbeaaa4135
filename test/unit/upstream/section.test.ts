/** The `credentials:` section. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ajv } from 'ajv';
import type { Target } from '../../../src/call.ts';
import { checkCredentials, createCredentials, credentialsSection } from '../../../src/upstream/section.ts';

const valid = new Ajv({ allErrors: true }).compile(credentialsSection);
const target = {} as Target;

describe('credentials of the configuration', () => {
  it('are made by kind, under the names that targets refer to', async () => {
    const config = { azure: { kind: 'header' as const, name: 'Api-Key', value: 'k' }, open: { kind: 'none' as const } };
    assert.equal(valid(config), true);
    const made = createCredentials(config);
    assert.deepEqual(await made.get('azure')?.headers(target), { 'api-key': 'k' });
    assert.deepEqual(await made.get('open')?.headers(target), {});
    assert.equal(made.get('other'), undefined);
  });

  it('of an unknown kind, with unknown members, or with a line break in the value are refused', () => {
    assert.equal(valid({ a: { kind: 'magic' } }), false);
    assert.equal(valid({ a: { kind: 'none', name: 'x' } }), false);
    assert.equal(valid({ a: { kind: 'header', name: 'x', value: 'a\r\nb: c' } }), false);
    assert.equal(valid({ a: { kind: 'header', name: 'x y', value: 'a' } }), false);
    assert.equal(valid({ a: { kind: 'header', name: 'x', value: '' } }), false);
  });

  it('may be in authorization or x-api-key, not in a header that frames or signs the request', () => {
    const header = (name: string) => ({ a: { kind: 'header' as const, name, value: 'v' } });
    for (const name of ['Authorization', 'x-api-key', 'api-key']) assert.deepEqual(checkCredentials(header(name)), []);
    for (const name of ['Host', 'content-length', 'Txn-Token', 'traceparent', 'x-tollgate-task-id']) {
      assert.equal(checkCredentials(header(name))[0]?.pointer, '/credentials/a/name', name);
    }
  });
});
