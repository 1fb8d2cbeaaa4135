import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { isDenial } from '../../../src/denial.ts';
import { FederationAssertions } from '../../../src/identity/federation.ts';
import { KeyDirectory, type KeyDirectoryOptions, type Rotated } from '../../../src/identity/key-directory.ts';
import { GateKeys, type KeyPurpose } from '../../../src/identity/keys.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { ManualClock } from '../../fakes/clock.ts';

const leadMs = { task: 35_000, txn: 60_000, federation: 900_000 };
const typs = { task: 'at+jwt', txn: 'txntoken+jwt', federation: 'JWT' } as const;
const lastTokenMs = 3_600_000;
const graceMs = 90_000;
const directories: string[] = [];
after(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true }))));

async function folder(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tollgate-rotation-'));
  directories.push(dataDir);
  return dataDir;
}

async function world() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const dataDir = await folder();
  /** A gateway over its directory, as at a start; a second one over the same directory is its restart. */
  const gatewayOn = async (options: Partial<KeyDirectoryOptions> & { dataDir?: string } = {}) => {
    const gatewayId = options.gatewayId ?? 'one';
    const keys = new GateKeys({ dataDir: options.dataDir ?? dataDir, gatewayId, clock });
    await keys.open();
    const faults: Error[] = [];
    const faulted = (_where: string, fault: unknown) => faults.push(fault as Error);
    const directory = new KeyDirectory({ keys, store, clock, faulted, leadMs, ...options, gatewayId });
    await directory.open();
    return { keys, directory, faults };
  };
  return { clock, store, dataDir, gatewayOn };
}

type Gateway = Awaited<ReturnType<Awaited<ReturnType<typeof world>>['gatewayOn']>>;
const kidSigning = async ({ directory }: Pick<Gateway, 'directory'>, purpose: keyof typeof typs) =>
  decodeProtectedHeader(await directory.sign(purpose, typs[purpose], {})).kid as string;
const kidsOf = ({ directory }: Gateway, purpose: KeyPurpose) =>
  (directory.jwks().keys as { kid: string }[]).map(({ kid }) => kid).filter((kid) => kid.includes(`.${purpose}.`));
const statesOf = ({ keys }: Gateway, purpose: KeyPurpose) =>
  keys.list().flatMap((key) => (key.purpose === purpose ? [key.state] : []));
const rotated = async ({ directory }: Gateway, purpose: KeyPurpose, lead?: number): Promise<Rotated> => {
  const result = await directory.rotate(purpose, lead === undefined ? {} : { leadMs: lead });
  assert.ok(!isDenial(result), JSON.stringify(result));
  return result;
};
/** Lets a look end that a timer began: it reads files, which no clock hurries. */
const settle = async ({ directory }: Gateway) => directory.publish();

test('[identity.rotation-drops-no-token] a new key is published, signs after its lead, and the one before verifies until its last token is gone', async () => {
  const { clock, gatewayOn, dataDir } = await world();
  const one = await gatewayOn();
  const before = await kidSigning(one, 'task');
  const rotatedAtMs = clock.nowMs();
  const { kid, signsFromMs } = await rotated(one, 'task');
  assert.equal(signsFromMs, rotatedAtMs + leadMs.task);
  assert.deepEqual(kidsOf(one, 'task'), [before, kid]);
  assert.deepEqual(statesOf(one, 'task'), ['signing', 'next']);
  await clock.advance(leadMs.task - 1);
  assert.equal(await kidSigning(one, 'task'), before);
  await clock.advance(1);
  assert.equal(await kidSigning(one, 'task'), kid);
  assert.deepEqual(statesOf(one, 'task'), ['verifying', 'signing']);
  const [old] = one.keys.list();
  assert.equal(old?.verifiesUntilMs, signsFromMs + lastTokenMs + graceMs);
  await clock.advance(lastTokenMs + graceMs - 1);
  assert.ok(one.directory.publicKey(before, 'task'));
  assert.deepEqual(kidsOf(one, 'task'), [before, kid]);
  await clock.advance(1);
  assert.equal(one.directory.publicKey(before, 'task'), undefined);
  assert.deepEqual(kidsOf(one, 'task'), [kid]);
  // At the next look the private key is destroyed too.
  await clock.advance(30_000);
  await settle(one);
  const files = await readdir(join(dataDir, 'keys'));
  assert.deepEqual(
    files.filter((name) => name.startsWith('task')),
    [`task.${kid.split('.')[2]}.json`],
  );
  assert.ok(one.directory.publicKey(kid, 'task'));
  assert.deepEqual(one.faults, []);
});

test('each purpose has its lead and its end, and an argument sets the lead', async () => {
  const { clock, gatewayOn } = await world();
  const one = await gatewayOn();
  await one.directory.prepareFederation();
  await clock.advance(1000);
  for (const [purpose, lastMs] of [
    ['txn', 60_000],
    ['federation', 300_000],
  ] as const) {
    const before = await kidSigning(one, purpose);
    const { signsFromMs } = await rotated(one, purpose);
    assert.equal(signsFromMs, clock.nowMs() + leadMs[purpose]);
    const listed = one.keys.list().find(({ kid }) => kid === before);
    assert.equal(listed?.verifiesUntilMs, signsFromMs + lastMs + graceMs);
  }
  const now = await rotated(one, 'task', 0);
  assert.equal(now.signsFromMs, clock.nowMs());
  assert.equal(await kidSigning(one, 'task'), now.kid);
});

test('a rotation while a new key waits gives that one, and beyond four keys alive it is refused for a while', async () => {
  const { clock, gatewayOn } = await world();
  const one = await gatewayOn();
  const [first, second] = await Promise.all([rotated(one, 'task'), rotated(one, 'task')]);
  assert.deepEqual(first, second);
  await clock.advance(leadMs.task);
  for (let turn = 0; turn < 2; turn++) {
    await rotated(one, 'task', 0);
    await clock.advance(1);
  }
  const refused = await one.directory.rotate('task', { leadMs: 0 });
  assert.ok(isDenial(refused) && refused.code === 'rate_limited');
  assert.ok((refused.details.retryAfterMs ?? 0) > 3_000_000);
  assert.equal(kidsOf(one, 'task').length, 4);
});

test('the audit key is refused by name, with what to do instead', async () => {
  const { gatewayOn } = await world();
  const one = await gatewayOn();
  const refused = await one.directory.rotate('audit');
  assert.ok(isDenial(refused) && refused.code === 'args_invalid');
  assert.match(refused.message, /audit key is not rotated while the gate runs.*audit\.json/);
  assert.equal(kidsOf(one, 'audit').length, 1);
});

test('[identity.rotation-drops-no-token] a restart in the middle keeps the lead, and the tokens of both keys', async () => {
  const { clock, gatewayOn } = await world();
  const one = await gatewayOn();
  const before = await kidSigning(one, 'task');
  const { kid, signsFromMs } = await rotated(one, 'task');
  await clock.advance(20_000);
  await one.directory[Symbol.asyncDispose]();
  const again = await gatewayOn();
  assert.equal(await kidSigning(again, 'task'), before);
  assert.equal(again.keys.list().find((key) => key.kid === kid)?.signsFromMs, signsFromMs);
  await clock.advance(15_000);
  assert.equal(await kidSigning(again, 'task'), kid);
  await again.directory[Symbol.asyncDispose]();
  const late = await gatewayOn();
  assert.equal(await kidSigning(late, 'task'), kid);
  assert.ok(late.directory.publicKey(before, 'task'));
});

test('[identity.no-unpublished-key-signs] a key that could not be published does not sign, however long ago it was made', async () => {
  const { clock, store, gatewayOn } = await world();
  let away = false;
  const shaky: Store = Object.assign(Object.create(store) as Store, {
    get: async (key: string) => store.get(key),
    compareAndSet: async (...args: Parameters<Store['compareAndSet']>) => {
      if (away) throw new StoreUnavailable('away');
      return store.compareAndSet(...args);
    },
    publish: (...args: Parameters<Store['publish']>) => store.publish(...args),
    subscribe: (...args: Parameters<Store['subscribe']>) => store.subscribe(...args),
  });
  const one = await gatewayOn({ store: shaky });
  const before = await kidSigning(one, 'task');
  away = true;
  await assert.rejects(one.directory.rotate('task', { leadMs: 0 }), { name: 'StoreUnavailable' });
  await clock.advance(600_000);
  assert.equal(await kidSigning(one, 'task'), before);
  assert.deepEqual(statesOf(one, 'task'), ['signing', 'next']);
  // As after a crash between the making and the publishing: the next process publishes, then waits its lead.
  await one.directory[Symbol.asyncDispose]();
  away = false;
  const again = await gatewayOn();
  const waiting = again.keys.list().find(({ state }) => state === 'next');
  assert.equal(waiting?.signsFromMs, clock.nowMs() + leadMs.task);
  assert.equal(await kidSigning(again, 'task'), before);
  await clock.advance(leadMs.task);
  assert.equal(await kidSigning(again, 'task'), waiting?.kid);
});

test('another gateway on the store knows a new key before it signs, and the old one until it is gone', async () => {
  const { clock, gatewayOn } = await world();
  const one = await gatewayOn();
  const two = await gatewayOn({ gatewayId: 'two', dataDir: await folder() });
  const before = await kidSigning(one, 'task');
  await clock.advance(1);
  const { kid } = await rotated(one, 'task', 0);
  await settle(two);
  assert.ok(two.directory.publicKey(kid, 'task'));
  assert.ok(two.directory.publicKey(before, 'task'));
  assert.equal(two.directory.publicKey(kid, 'txn'), undefined);
  assert.deepEqual(
    kidsOf(two, 'task').filter((name) => name.startsWith('one.')),
    [before, kid],
  );
  await clock.advance(lastTokenMs + graceMs + 30_000);
  await settle(one);
  await settle(two);
  assert.equal(two.directory.publicKey(before, 'task'), undefined);
  assert.ok(two.directory.publicKey(kid, 'task'));
});

test('a key file that an operator takes away is replaced at the next look, and its tokens are refused', async () => {
  const { clock, gatewayOn, dataDir } = await world();
  const one = await gatewayOn();
  const before = await kidSigning(one, 'task');
  await unlink(join(dataDir, 'keys', 'task.json'));
  await clock.advance(30_000);
  await settle(one);
  const now = await kidSigning(one, 'task');
  assert.notEqual(now, before);
  assert.equal(one.directory.publicKey(before, 'task'), undefined);
  assert.deepEqual(kidsOf(one, 'task'), [now]);
});

test('[identity.published-keys-marked] with a secret, keys that lack its mark or were changed are not taken', async () => {
  const { clock, store, gatewayOn } = await world();
  const secret = 's'.repeat(32);
  const one = await gatewayOn({ secret });
  const two = await gatewayOn({ gatewayId: 'two', dataDir: await folder(), secret });
  const plain = await gatewayOn({ gatewayId: 'plain', dataDir: await folder() });
  await gatewayOn({ gatewayId: 'other', dataDir: await folder(), secret: 'o'.repeat(32) });
  await settle(one);
  const owners = ({ directory }: Gateway) => [
    ...new Set((directory.jwks().keys as { kid: string }[]).map(({ kid }) => kid.split('.')[0])),
  ];
  assert.deepEqual(owners(one), ['one', 'two']);
  // Without a secret the store is trusted.
  await settle(plain);
  assert.deepEqual(owners(plain), ['plain', 'one', 'two', 'other']);
  assert.deepEqual(
    one.faults.map(({ message }) => /gateway "(\w+)"/.exec(message)?.[1]),
    ['plain', 'other'],
  );
  // Somebody who writes to the store puts a key of their own into a marked set, or a whole set under another name.
  const key = 'tg:{}:gate-keys';
  const found = await store.get(key);
  const directory = found?.value as Record<string, { keys: object[] }>;
  const forged = { ...directory, two: { ...directory.two, keys: directory.plain?.keys }, three: directory.two };
  await store.compareAndSet(key, found?.version ?? 0, forged as never, 60_000);
  await settle(one);
  assert.deepEqual(owners(one), ['one']);
  await clock.advance(30_000);
  for (const gateway of [two, one]) await settle(gateway);
  assert.deepEqual(owners(one), ['one', 'two']);
});

test('two gateways that live under one id with different keys are told; a restart is not', async () => {
  const { clock, gatewayOn } = await world();
  const one = await gatewayOn();
  await rotated(one, 'task');
  const restarted = await gatewayOn();
  await clock.advance(30_000);
  for (const gateway of [one, restarted]) await settle(gateway);
  assert.deepEqual([...one.faults, ...restarted.faults], []);
  await restarted.directory[Symbol.asyncDispose]();
  const twin = await gatewayOn({ dataDir: await folder() });
  for (let turn = 0; turn < 3; turn++) {
    await clock.advance(30_000);
    for (const gateway of [one, twin]) await settle(gateway);
  }
  for (const { faults } of [one, twin]) {
    assert.equal(faults.length, 1);
    assert.match(faults[0]?.message ?? '', /another gateway on the store runs as gateway.id "one"/);
  }
});

test('[identity.no-unpublished-key-signs] the first federation assertion waits for its key, made once and known to all', async () => {
  const { clock, gatewayOn, dataDir } = await world();
  const one = await gatewayOn();
  const two = await gatewayOn({ gatewayId: 'two', dataDir: await folder() });
  const federation = new FederationAssertions({ keys: one.directory, publicUrl: 'https://gate.test', clock });
  assert.deepEqual(kidsOf(one, 'federation'), []);
  const request = { subject: 'gate', audience: 'api://AzureADTokenExchange' };
  const minted = await Promise.all(Array.from({ length: 5 }, () => federation.mint(request)));
  const kids = new Set(minted.map((token) => decodeProtectedHeader(token).kid));
  assert.deepEqual([...kids], kidsOf(one, 'federation'));
  assert.equal(kids.size, 1);
  await settle(two);
  assert.ok(two.directory.publicKey([...kids][0] as string, 'federation'));
  const stored = (await readdir(join(dataDir, 'keys'))).filter((name) => name.startsWith('federation'));
  assert.equal(stored.length, 1);
  assert.equal(JSON.parse(await readFile(join(dataDir, 'keys', stored[0] as string), 'utf8')).private_jwk.kty, 'RSA');
});
