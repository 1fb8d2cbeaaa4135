import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import Type from 'typebox';
import { auditSection } from '../../../src/audit/section.ts';

const validate = new Ajv({ useDefaults: true }).compile(Type.Object({ audit: auditSection }));

test('an empty section is SQLite, relaxed for reads, strict for writes', () => {
  const config: { audit?: unknown } = {};
  assert.equal(validate(config), true);
  assert.deepEqual(config.audit, {
    sink: 'sqlite',
    durability: { read: 'relaxed', write: 'strict' },
    sign_every: 1000,
    payload_bytes: 65_536,
    queue_events: 10_000,
    refusals_per_second: 10,
  });
});

test('what is not enforced cannot be configured', () => {
  for (const section of [
    { durability: { write: 'relaxed' } },
    { sink: 'postgres' },
    { retention_days: 30 },
    { sign_every: 0 },
  ]) {
    assert.equal(validate({ audit: section }), false, JSON.stringify(section));
  }
});
