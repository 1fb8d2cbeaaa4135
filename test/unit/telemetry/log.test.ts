import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLog } from '../../../src/telemetry/log.ts';

function lines(): { readonly written: string[]; readonly destination: { write(line: string): void } } {
  const written: string[] = [];
  return { written, destination: { write: (line) => void written.push(line) } };
}

test('a line is JSON with its level, its message and its fields', () => {
  const { written, destination } = lines();
  openLog('info', destination)('warn', 'the audit trail is behind', { events: 5, where: { room: 'audit' } });
  const line = JSON.parse(written[0] ?? '') as Record<string, unknown>;
  assert.deepEqual(
    [line.level, line.msg, line.events, line.where],
    ['warn', 'the audit trail is behind', 5, { room: 'audit' }],
  );
  assert.match(String(line.time), /^\d{4}-\d\d-\d\dT/);
});

test('what is below the level is not written', () => {
  const { written, destination } = lines();
  openLog('warn', destination)('info', 'nothing');
  assert.deepEqual(written, []);
});

test('what looks like a credential or personal data is masked, in messages, fields, faults and deep inside', () => {
  const { written, destination } = lines();
  const log = openLog('debug', destination);
  const secrets = [
    'Bearer abc.def-123',
    'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl',
    'sk-proj-abcdefgh12345678',
    'AKIAIOSFODNN7EXAMPLE',
    'ada.lovelace@example.org',
    '4111 1111 1111 1111',
    '4111111111111111',
    'DE89 3704 0044 0532 0130 00',
    '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----',
  ];
  for (const secret of secrets) {
    log('error', `it broke at ${secret}`, {
      text: `Unexpected token in "${secret}"`,
      fault: new Error(`cannot read ${secret}`),
      deep: { list: [{ [secret]: secret }] },
    });
    log('info', 'afterwards', { far: { a: { b: { c: { d: { e: secret } } } } } });
  }
  const raw = written.join('');
  assert.equal(written.length, 2 * secrets.length);
  for (const secret of secrets) assert.equal(raw.includes(JSON.stringify(secret).slice(1, -1)), false, secret);
  assert.ok(
    raw.includes('[e-mail]') && raw.includes('[credential]') && raw.includes('[number]') && raw.includes('[key]'),
  );
});

test('a long text is cut', () => {
  const { written, destination } = lines();
  openLog('info', destination)('info', 'long', { text: 'x'.repeat(100_000) });
  assert.ok((written[0] ?? '').length < 3_000);
});
