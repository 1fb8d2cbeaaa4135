/**
 * The examples that verify Txn-Tokens (Node, Fastify, Python, Go) run as services, and are shown every token of
 * verify-table.ts over HTTP. What tollgate/verify says is what each of them must say.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { Redis } from 'ioredis';
import { fastifyService } from '../../examples/verify/fastify.ts';
import { nodeService } from '../../examples/verify/node.ts';
import { redisMemory } from '../../examples/verify/redis-memory.ts';
import { newId, systemClock } from '../../src/clock.ts';
import { GateKeys } from '../../src/identity/keys.ts';
import { TxnTokens } from '../../src/identity/txn-token.ts';
import { createTxnTokenVerifier, isRefusal, sentDigest, type TxnMemory } from '../../src/identity/verify.ts';
import { RedisServer } from '../fakes/redis-server.ts';
import { part, partPath } from '../parts.ts';
import { type Request, type Row, refund, table } from './verify-table.ts';

const folder = resolve(import.meta.dirname, '../../examples/verify');
const publicUrl = 'https://gate.test';
const trustDomain = 'example.test';
const clock = systemClock();

interface Judge {
  /** `accepted`, or the reason; with what it learned of the call. */
  judge(shown: string | readonly string[] | null, request: Request): Promise<{ verdict: string; said: object }>;
}

const scratch = await mkdtemp(join(tmpdir(), 'tollgate-verify-'));
const keys = new GateKeys({ dataDir: scratch, gatewayId: 'gate-1', clock });
await keys.open();
const fetches = new Map<string, number>();
let jwksStatus = 200;
const jwksServer = createServer((message, response) => {
  fetches.set(message.url ?? '', (fetches.get(message.url ?? '') ?? 0) + 1);
  response.writeHead(jwksStatus).end(jwksStatus === 200 ? JSON.stringify(keys.jwks()) : 'no');
});
const children: ChildProcess[] = [];
let rows: readonly Row[] = [];

before(async () => {
  jwksServer.listen(0, '127.0.0.1');
  await once(jwksServer, 'listening');
  const stolen = async (purpose: string) => {
    const stored = JSON.parse(await readFile(join(scratch, 'keys', `${purpose}.json`), 'utf8'));
    return { kid: String(stored.kid), key: createPrivateKey({ key: stored.private_jwk, format: 'jwk' }) };
  };
  const gateway = { id: 'gate-1', cloud: 'azure', region: 'westeurope' };
  const txnTokens = new TxnTokens({ keys, trustDomain, publicUrl, gateway, clock });
  const minted = ({ method, path, body, operation }: Request) =>
    txnTokens.mint({
      callId: newId(clock, 'call'),
      subject: { id: 'customer-c', type: 'customer', claims: {}, issuer: 'customers', assurance: 'verified' },
      agent: {
        id: 'coordinator',
        issuer: 'azure',
        tenant: 'acme',
        cloud: 'azure',
        claims: {},
        actors: ['planner'],
        verifiedAtMs: clock.nowMs(),
      },
      operation,
      taskId: newId(clock, 'task'),
      rootTaskId: newId(clock, 'task'),
      purpose: 'return_exception',
      sentDigest: sentDigest(method, path, body),
    });
  rows = table({
    publicUrl,
    trustDomain,
    txn: await stolen('txn'),
    task: await stolen('task'),
    minted,
    freshId: () => newId(clock, 'call'),
  });
});

after(async () => {
  for (const child of children) child.kill('SIGKILL');
  jwksServer.close();
  jwksServer.closeAllConnections();
  await keys[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

function jwksUri(name: string): string {
  return `http://127.0.0.1:${(jwksServer.address() as AddressInfo).port}/${name}`;
}

function verifier(name: string, memory?: TxnMemory) {
  return createTxnTokenVerifier({
    jwks: { uri: jwksUri(name) },
    issuer: publicUrl,
    trustDomain,
    ...(memory && { memory }),
  });
}

/** The published verifier, asked directly. */
function reference(): Judge {
  const own = verifier('reference');
  return {
    judge: async (shown, { path, ...request }) => {
      const token = typeof shown === 'string' || shown === null ? shown : shown.join(', ');
      const answer = await own.verify(token, { ...request, pathWithQuery: path });
      return isRefusal(answer) ? { verdict: answer.reason, said: {} } : { verdict: 'accepted', said: answer };
    },
  };
}

/** A service at `url`, asked over HTTP. */
function service(url: string): Judge {
  const { hostname, port } = new URL(url);
  return {
    judge: (shown, { method, path, body }) =>
      new Promise((done, reject) => {
        const headers = {
          ...(body && { 'content-length': body.length, 'content-type': typeOf(body) }),
          ...(shown !== null && { 'txn-token': shown as string | string[] }),
        };
        const message = httpRequest({ hostname, port, method, path, headers, agent: false });
        message.on('error', reject).on('response', (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (piece: string) => {
            text += piece;
          });
          response.on('end', () => {
            const said = JSON.parse(text === '' ? '{}' : text) as { error?: string };
            const verdict = response.statusCode === 200 ? 'accepted' : (said.error ?? `status ${response.statusCode}`);
            done({ verdict, said });
          });
        });
        message.end(body ?? undefined);
      }),
  };
}

function typeOf(body: Uint8Array): string {
  return body[0] === '{'.charCodeAt(0) ? 'application/json' : 'application/octet-stream';
}

/** Starts a program that says where it listens. */
async function program(command: string, args: readonly string[], name: string, pause = '30'): Promise<Judge> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, GATE_URL: publicUrl, TRUST_DOMAIN: trustDomain };
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...env, JWKS_URI: jwksUri(name), KEYS_PAUSE: pause, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let said = '';
  return new Promise((done, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (piece: Buffer) => {
        said += piece.toString();
        const [, url] = /listening on (\S+)/.exec(said) ?? [];
        if (url !== undefined) done(service(url));
      });
    }
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${command} ended with ${code}: ${said}`)));
  });
}

const python = (name: string, pause?: string) =>
  program(partPath('python3-cryptography') as string, ['service.py'], name, pause);

let built: Promise<string> | undefined;
async function go(name: string, pause?: string): Promise<Judge> {
  built ??= (async () => {
    const binary = join(scratch, 'service');
    // From the standard library alone: nothing is fetched.
    const env = { HOME: scratch, ...process.env, GOPROXY: 'off', GOTOOLCHAIN: 'local' };
    const child = spawn(partPath('go') as string, ['build', '-o', binary, '.'], { cwd: folder, env, stdio: 'pipe' });
    let said = '';
    child.stderr?.on('data', (piece: Buffer) => {
      said += piece.toString();
    });
    const [code] = await once(child, 'exit');
    assert.equal(code, 0, said);
    return binary;
  })();
  return program(await built, [], name, pause);
}

/** Every token of the table, then one token many times at once. */
async function agrees(name: string, judge: Judge): Promise<void> {
  const own = reference();
  const wrong: string[] = [];
  for (const { name: what, verdict, shown, request } of rows) {
    const said = (await judge.judge(await shown(), request)).verdict;
    const wanted = (await own.judge(await shown(), request)).verdict;
    if (wanted !== verdict) wrong.push(`${what}: tollgate/verify says ${wanted}, the table ${verdict}`);
    if (said !== wanted) wrong.push(`${what}: ${said} instead of ${wanted}`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(rows.length >= 80, `${rows.length} rows`);
  assert.ok((fetches.get(`/${name}`) ?? 0) <= 2, 'kids that nobody knows cause no fetch each');

  const token = (await rows[0]?.shown()) as string;
  const answers = await Promise.all(Array.from({ length: 10 }, () => judge.judge(token, refund)));
  const verdicts = answers.map(({ verdict }) => verdict).toSorted();
  assert.deepEqual(verdicts, ['accepted', ...Array(9).fill('token_replayed')]);
  const { said } = answers.find(({ verdict }) => verdict === 'accepted') as { said: Record<string, unknown> };
  assert.deepEqual([said.subject, said.agent], ['customer-c', 'coordinator']);
  // What is refused for another reason does not spend the token.
  const again = (await rows[0]?.shown()) as string;
  assert.equal((await judge.judge(again, { ...refund, body: null })).verdict, 'request_changed');
  assert.equal((await judge.judge(again, refund)).verdict, 'accepted');
}

/** A gate that is away when the service starts, and comes. */
async function waitsForKeys(name: string, judge: Judge): Promise<void> {
  jwksStatus = 500;
  try {
    assert.notEqual((await judge.judge((await rows[0]?.shown()) as string, refund)).verdict, 'accepted');
  } finally {
    jwksStatus = 200;
  }
  await new Promise((done) => setTimeout(done, 300));
  assert.equal((await judge.judge((await rows[0]?.shown()) as string, refund)).verdict, 'accepted');
  assert.equal(fetches.get(`/${name}`), 2);
}

test('[identity.verifiers-agree] the example in plain Node judges as tollgate/verify does', async () => {
  const server = nodeService(verifier('node')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await agrees('node', service(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  } finally {
    server.close();
  }
});

test('[identity.verifiers-agree] the example in Fastify judges as tollgate/verify does', async () => {
  const app = fastifyService(verifier('fastify'));
  try {
    await agrees('fastify', service(await app.listen({ port: 0, host: '127.0.0.1' })));
  } finally {
    await app.close();
  }
});

test(
  '[identity.verifiers-agree] the example in Python judges as tollgate/verify does',
  { ...part('python3-cryptography'), timeout: 60_000 },
  async () => agrees('python', await python('python')),
);

test(
  '[identity.verifiers-agree] the example in Go judges as tollgate/verify does',
  { ...part('go'), timeout: 150_000 },
  async () => agrees('go', await go('go')),
);

test(
  'the example in Python fetches keys again that it could not have',
  { ...part('python3-cryptography'), timeout: 60_000 },
  async () => waitsForKeys('python-late', await python('python-late', '0.2')),
);

test('the example in Go fetches keys again that it could not have', { ...part('go'), timeout: 150_000 }, async () =>
  waitsForKeys('go-late', await go('go-late', '0.2')),
);

test(
  '[identity.txn-token-single-use] two copies of a service on one Redis take a token once',
  part('redis-server'),
  async () => {
    await using server = await RedisServer.start();
    const redis = new Redis(server.port, '127.0.0.1', { maxRetriesPerRequest: 0, commandTimeout: 500 });
    const apps = ['copy-a', 'copy-b'].map((name) => fastifyService(verifier(name, redisMemory(redis, 'refunds'))));
    try {
      const copies = await Promise.all(apps.map(async (app) => service(await app.listen({ port: 0 }))));
      const token = (await rows[0]?.shown()) as string;
      const both = [...copies, ...copies, ...copies, ...copies];
      const answers = await Promise.all(both.map((copy) => copy.judge(token, refund)));
      const verdicts = answers.map(({ verdict }) => verdict).toSorted();
      assert.deepEqual(verdicts, ['accepted', ...Array(7).fill('token_replayed')]);
      const [key = ''] = await redis.keys('txn:refunds:*');
      const ttlMs = await redis.pttl(key);
      assert.ok(ttlMs > 60_000 && ttlMs <= 75_000, `${ttlMs} ms`);
      redis.disconnect();
      const late = await copies[0]?.judge((await rows[0]?.shown()) as string, refund);
      assert.equal(late?.verdict, 'memory_unavailable');
    } finally {
      redis.disconnect();
      await Promise.all(apps.map((app) => app.close()));
    }
  },
);
