import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { noTerms, termsOf } from '../../../src/policy/bundle-terms.ts';
import { checkPolicy, type PolicyConfig } from '../../../src/policy/section.ts';
import { bundleOf, engineOn, temporaryFolder, writeFiles } from './bundles.ts';
import { engineServedBy, markOf, serverOf, until } from './served.ts';
import { opaBundle, signerFor } from './signed.ts';

const ours = signerFor('ES256', 'team');
const signing_keys = [ours.key];
const hourMs = 3_600_000;
/** The clock of these tests starts on Monday, 2 November 2026, 09:00 UTC. */
const tenOClock = '2026-11-02T10:00:00Z';

const bundle = (t: TestContext, mark: string, terms?: Record<string, unknown>) =>
  opaBundle(t, { mark, signer: ours, ...(terms === undefined ? {} : { terms }) });

test('[policy.no-way-back] a sequence that is lower, the same for another bundle, or gone is refused', async (t) => {
  const second = await bundle(t, 'second', { sequence: 2 });
  const server = await serverOf(t, second);
  const running = await engineServedBy(t, server, { signing_keys });
  await running.engine.open();
  const rows: [string, Record<string, unknown> | undefined, RegExp][] = [
    ['first', { sequence: 1 }, /sequence 2 was in force, this one has 1/],
    ['other', { sequence: 2 }, /the same with another content/],
    ['uncounted', undefined, /sequence 2 was in force, this one has none/],
  ];
  for (const [mark, terms, told] of rows) {
    server.put(await bundle(t, mark, terms));
    await until(running, () => told.test(running.engine.lastError ?? ''), `${mark} is refused`);
    assert.equal(markOf(running), 'second');
  }
  server.put(second);
  await until(running, () => running.engine.lastError === null, 'the one in force is taken again');
  server.put(await bundle(t, 'third', { sequence: 3 }));
  await until(running, () => markOf(running) === 'third', 'a higher one comes into force');
});

test('[policy.no-way-back] the sequence outlives a restart, until going back is allowed', async (t) => {
  const dataDir = await temporaryFolder(t);
  const file = join(await temporaryFolder(t), 'team.tar.gz');
  const opened = async (mark: string, sequence: number, allow_rollback = false) => {
    await writeFile(file, await bundle(t, mark, { sequence }));
    const running = await engineOn(t, file, { dataDir, config: { bundle: file, signing_keys, allow_rollback } });
    await running.engine.open();
    const decided = markOf(running);
    await running.engine[Symbol.asyncDispose]();
    return decided;
  };
  assert.equal(await opened('five', 5), 'five');
  await assert.rejects(opened('four', 4), /goes back, and policy\.allow_rollback is false/);
  assert.equal(await opened('four', 4, true), 'four');
  await assert.rejects(opened('three', 3), /sequence 4 was in force, this one has 3/);
  assert.equal(await opened('six', 6), 'six');
});

test('[policy.no-way-back] a start is not tricked into an older bundle: the kept one decides', async (t) => {
  const dataDir = await temporaryFolder(t);
  const server = await serverOf(t, await bundle(t, 'new', { sequence: 9 }));
  const before = await engineServedBy(t, server, { signing_keys, dataDir });
  await before.engine.open();
  await before.engine[Symbol.asyncDispose]();
  server.put(await bundle(t, 'old', { sequence: 8 }));
  const running = await engineServedBy(t, server, { signing_keys, dataDir });
  await running.engine.open();
  assert.equal(markOf(running), 'new');
  assert.match(running.engine.lastError ?? '', /goes back/);
});

test('a folder counts as a file does, by its sources', async (t) => {
  const dataDir = await temporaryFolder(t);
  const folder = await temporaryFolder(t);
  const opened = async (message: string, sequence: number) => {
    const call = `decision := {"allow": true, "reasons": [{"code": "x", "message": "${message}"}]}`;
    const manifest = { roots: ['tollgate'], metadata: { tollgate: { sequence } } };
    await writeFiles(folder, { ...bundleOf(call), '.manifest': JSON.stringify(manifest) });
    const running = await engineOn(t, folder, { dataDir });
    await running.engine.open();
    await running.engine[Symbol.asyncDispose]();
  };
  await opened('one', 1);
  await opened('one', 1);
  await assert.rejects(opened('two', 1), /another content/);
  await opened('two', 2);
});

test('[policy.no-way-back] a bundle that has expired does not come into force', async (t) => {
  const server = await serverOf(t, await bundle(t, 'late', { expires: '2026-11-02T09:00:00Z' }));
  const running = await engineServedBy(t, server, { signing_keys });
  await assert.rejects(running.engine.open(), /the bundle expired at 2026-11-02T09:00:00\.000Z/);
});

test('a bundle that expires while it runs decides nothing more, until there is a newer one', async (t) => {
  const server = await serverOf(t, await bundle(t, 'a', { expires: tenOClock }));
  const running = await engineServedBy(t, server, { signing_keys });
  await running.engine.open();
  await running.clock.advance(hourMs - 1);
  assert.equal(markOf(running), 'a');
  assert.equal(running.engine.healthy(), true);
  await running.clock.advance(1);
  assert.throws(() => markOf(running), /the policy bundle has expired/);
  assert.equal(running.engine.healthy(), false);
  assert.equal(running.engine.note, 'expired');
  assert.equal(running.engine.active.revision, 'a');
  await until(running, () => running.logged.some(({ message }) => /has expired; nothing/.test(message)), 'it is told');
  assert.equal(running.logged.filter(({ message }) => /has expired; nothing/.test(message)).length, 1);
  // The same policies with a new date are a change too.
  server.put(await bundle(t, 'a', { expires: '2026-11-03T10:00:00Z' }));
  await until(running, () => running.engine.healthy(), 'the newer one comes into force');
  assert.equal(markOf(running), 'a');
  assert.equal(running.engine.note, null);
});

test('terms that are written wrongly are refused, for they would not be kept', () => {
  assert.deepEqual(termsOf({}), noTerms);
  assert.deepEqual(termsOf({ metadata: { other: 1 } }), noTerms);
  const terms = { sequence: 0, expires: '2026-11-02T11:00:00+01:00' };
  assert.deepEqual(termsOf({ metadata: { tollgate: terms } }), {
    ...noTerms,
    sequence: 0,
    expiresAtMs: Date.parse(tenOClock),
  });
  const wrong = [
    null,
    [],
    'x',
    { sequence: -1 },
    { sequence: 1.5 },
    { sequence: '1' },
    { sequence: 2 ** 53 },
    { expires: 1 },
    { expires: '2026-11-02' },
    { expires: '2026-11-02T10:00:00' },
    { expires: '2026-13-02T10:00:00Z' },
    { expire: tenOClock },
  ];
  for (const tollgate of wrong) assert.throws(() => termsOf({ metadata: { tollgate } }), /metadata\.tollgate/);
});

test('what the section cannot mean is a fault with its place', () => {
  const base: PolicyConfig = {
    ...{ bundle: 'https://bundles.example/team.tar.gz', signing_keys, allow_rollback: false },
    unknown_operations: 'refuse',
    rollout: { new_denies_percent: 5, errors_percent: 1, decisions_min: 50, window_seconds: 300 },
  };
  const fetch = { min_delay_seconds: 60, max_delay_seconds: 120, timeout_seconds: 60 };
  const good: Partial<PolicyConfig>[] = [
    {},
    { fetch },
    { bundle: 'http://127.0.0.1:8000/b' },
    { bundle: '/etc/team.tar.gz' },
    { bundle: './policies', signing_keys: [] },
    { shadow: './next.tar.gz' },
    { bundle: './b.tar.gz', shadow: 'https://bundles.example/next.tar.gz', fetch },
  ];
  for (const change of good) assert.deepEqual(checkPolicy({ ...base, ...change }), []);
  const rows: [Partial<PolicyConfig>, string, RegExp][] = [
    [{ bundle: 'http://bundles.example/b' }, '/policy/bundle', /expected https/],
    [{ bundle: 'http://127.0.0.1.example/b' }, '/policy/bundle', /expected https/],
    [{ bundle: 'ftp://bundles.example/b' }, '/policy/bundle', /expected a path or an https URL/],
    [{ bundle: 'https://a:b@bundles.example/b' }, '/policy/bundle', /no user or password/],
    [{ bundle: 'https://bundles.example/b#c' }, '/policy/bundle', /fragment/],
    [{ bundle: './policies' }, '/policy/signing_keys', /a folder cannot be signed/],
    [{ bundle: './b.tar.gz', fetch }, '/policy/fetch', /without effect/],
    [{ shadow: './next' }, '/policy/signing_keys', /policy\.shadow/],
    [{ shadow: 'http://bundles.example/next' }, '/policy/shadow', /expected https/],
    [{ shadow: 'https://BUNDLES.example:443/team.tar.gz' }, '/policy/shadow', /is what policy\.bundle is/],
    [{ bundle: './a', shadow: 'a/', signing_keys: [] }, '/policy/shadow', /is what policy\.bundle is/],
    [{ fetch: { ...fetch, ca: 'x' } }, '/policy/fetch/ca', /certificates in PEM/],
    [{ fetch: { ...fetch, min_delay_seconds: 200 } }, '/policy/fetch/min_delay_seconds', /no more than/],
    [{ signing_keys: [ours.key, ours.key] }, '/policy/signing_keys/1/kid', /twice/],
    [{ signing_keys: [{ ...ours.key, public_key: 'x' }] }, '/policy/signing_keys/0/public_key', /public key in PEM/],
  ];
  for (const [change, pointer, message] of rows) {
    const [fault, ...more] = checkPolicy({ ...base, ...change });
    assert.equal(fault?.pointer, pointer);
    assert.match(fault?.message ?? '', message);
    assert.deepEqual(more, []);
  }
});
