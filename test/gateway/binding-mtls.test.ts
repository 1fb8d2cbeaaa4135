/** Task tokens that belong to a client certificate: what an unmodified SDK can use, and a thief cannot. */
import assert from 'node:assert/strict';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import OpenAI, { AuthenticationError } from 'openai';
import { Agent } from 'undici';
import { checkConfig } from '../../src/main.ts';
import { part } from '../parts.ts';
import { Authority, type Certified } from './certificates.ts';
import { DpopClient } from './dpop-client.ts';
import { World } from './world.ts';

const options = { ...part('opa'), ...part('openssl') };
const path = '/tools/orders/orders/O-1';
const ask = { model: 'gpt', max_tokens: 50, messages: [{ role: 'user' as const, content: 'Where is order O-1?' }] };

type Identity = Pick<Certified, 'cert' | 'key'> | null;

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly challenge: string;
}

describe('tokens bound to a client certificate', options, () => {
  let authority: Authority;
  let stranger: Authority;
  let client: Certified;
  let thief: Certified;
  let foreign: Certified;
  let world: World;
  let anybody: World;
  const agents: Agent[] = [];
  before(async () => {
    authority = new Authority('our authority');
    stranger = new Authority('another authority');
    const server = authority.issue('server');
    client = authority.issue('client');
    thief = authority.issue('thief');
    foreign = stranger.issue('foreign');
    const files = { cert: server.certFile, key: server.keyFile };
    const audit = { refusals_per_second: 1000 };
    const open = (tls: object, gpt: object = {}) =>
      World.open({ rows: { gpt: { ...gpt } }, config: { gateway: { tls: { ...files, ...tls } }, audit } });
    [world, anybody] = await Promise.all([
      open({ client: 'request', client_ca: authority.certFile }, { binding: 'mtls' }),
      open({ client: 'self_signed' }),
    ]);
  });
  after(async () => {
    await Promise.all(agents.map((agent) => agent.close()));
    await Promise.all([world, anybody].map((one) => one?.[Symbol.asyncDispose]()));
    authority?.[Symbol.dispose]();
    stranger?.[Symbol.dispose]();
  });

  function call(
    url: string,
    identity: Identity,
    headers: Record<string, string>,
    body: object | null = null,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const method = body === null ? 'GET' : 'POST';
      const shown = identity === null ? {} : { cert: identity.cert, key: identity.key };
      const made = request(url, { ca: authority.cert, ...shown, agent: false, method, headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: JSON.parse(text) as Record<string, unknown>,
            challenge: response.headers['www-authenticate'] ?? '',
          }),
        );
      });
      made.on('error', reject);
      made.end(body === null ? undefined : JSON.stringify(body));
    });
  }

  async function openTask(at: World, identity: Identity): Promise<{ readonly id: string; readonly token: string }> {
    const headers = { authorization: `Bearer ${at.issuer.token('coordinator')}` };
    const { status, body } = await call(`${at.gate.url}/tasks`, identity, headers, { purpose: 'test' });
    assert.deepEqual([status, body.token_type], [201, 'Bearer'], JSON.stringify(body));
    return { id: String(body.task_id), token: String(body.task_token) };
  }

  const thumbprint = ({ cert }: Certified) =>
    createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url');

  /** Shows that a call is refused for `reason`, that nothing was sent for it, and what the trail says. */
  async function refused(at: World, identity: Identity, headers: Record<string, string>, reason: string) {
    const traceId = randomBytes(16).toString('hex');
    at.orders.received.length = 0;
    const traced = { ...headers, traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
    const { status, body, challenge } = await call(`${at.gate.url}${path}`, identity, traced);
    const [first] = body.reasons as readonly { readonly code: string }[];
    assert.deepEqual([status, body.code, first?.code], [401, 'unauthenticated', reason]);
    assert.match(challenge, /error="invalid_token"/);
    assert.equal(at.orders.received.length, 0);
    const events = await at.events({ trace_id: traceId });
    const told = events.map((event) => [event.type, event.status, event.decision?.reasons.at(-1)?.code]);
    assert.deepEqual(told, [['denial', 401, reason]]);
  }

  /** The SDK as anybody installs it: a key, a base URL, and a dispatcher that has a certificate. */
  function sdk(apiKey: string, identity: Identity): OpenAI {
    const shown = identity === null ? {} : { cert: identity.cert, key: identity.key };
    const dispatcher = new Agent({ connect: { ca: authority.cert, ...shown } });
    agents.push(dispatcher);
    return new OpenAI({
      apiKey,
      baseURL: `${world.gate.url}/v1`,
      maxRetries: 0,
      fetchOptions: { dispatcher } as never,
    });
  }

  test('[identity.bound-to-a-certificate] the openai SDK works with a bound token, and whoever stole it does not', async () => {
    const { id, token } = await openTask(world, client);
    assert.deepEqual(decodeJwt(token).cnf, { 'x5t#S256': thumbprint(client) });
    world.model.received.length = 0;
    const completion = await sdk(token, client).chat.completions.create(ask);
    assert.equal(completion.choices[0]?.message.content, 'hello back');
    const stream = await sdk(token, client).chat.completions.create({ ...ask, stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    assert.equal(text, 'hello back');
    assert.equal(world.model.received.length, 2);
    const events = await world.events({ task: id, operation: 'gpt.chat', type: 'outcome' });
    assert.deepEqual(
      events.map(({ status }) => status),
      [200, 200],
    );

    for (const identity of [thief, null]) {
      await assert.rejects(sdk(token, identity).chat.completions.create(ask), AuthenticationError);
    }
    assert.equal(world.model.received.length, 2, 'nothing more reached the model');
    const bearer = { authorization: `Bearer ${token}` };
    await refused(world, thief, bearer, 'binding_wrong');
    await refused(world, null, bearer, 'binding_missing');
    await refused(world, null, { 'x-api-key': token }, 'binding_missing');
    await refused(world, client, { authorization: `DPoP ${token}` }, 'binding_wrong');
    await assert.rejects(
      call(`${world.gate.url}${path}`, foreign, bearer),
      'of no authority of ours: no answer at all',
    );
  });

  test('a bound token neither shows, ends nor renews its task without its certificate', async () => {
    const { id, token } = await openTask(world, client);
    const bearer = { authorization: `Bearer ${token}` };
    for (const identity of [thief, null]) {
      assert.equal((await call(`${world.gate.url}/tasks/${id}`, identity, bearer)).status, 401);
      assert.equal((await call(`${world.gate.url}/tasks/${id}/kill`, identity, bearer, {})).status, 401);
      assert.equal((await call(`${world.gate.url}/v1/models`, identity, bearer)).status, 401);
    }
    const mine = await call(`${world.gate.url}/tasks/${id}`, client, bearer);
    assert.deepEqual([mine.status, mine.body.state], [200, 'active']);
    const workload = { authorization: `Bearer ${world.issuer.token('coordinator')}` };
    const renewed = await call(`${world.gate.url}/tasks/${id}/token`, thief, workload, {});
    assert.deepEqual(
      decodeJwt(String(renewed.body.task_token)).cnf,
      { 'x5t#S256': thumbprint(thief) },
      'a renewed token belongs to who asks for it with the workload token',
    );
  });

  test('a client without a certificate gets a token that belongs to no key, where none is asked for', async () => {
    const { token } = await openTask(world, null);
    assert.equal(decodeJwt(token).cnf, undefined);
    assert.equal((await call(`${world.gate.url}${path}`, null, { authorization: `Bearer ${token}` })).status, 200);
  });

  test('[identity.bound-where-required] a route that asks for a certificate takes no token of another key, or of none', async () => {
    const proofKey = await DpopClient.make();
    const workload = { authorization: `Bearer ${world.issuer.token('coordinator')}` };
    const dpop = { ...workload, dpop: await proofKey.proof('POST', '/tasks', null) };
    const byProof = await call(`${world.gate.url}/tasks`, client, dpop, { purpose: 'test' });
    assert.deepEqual([byProof.status, byProof.body.token_type], [201, 'DPoP']);
    const proved = String(byProof.body.task_token);
    const { token: unbound } = await openTask(world, null);
    world.model.received.length = 0;
    const path = '/v1/chat/completions';
    const json = { 'content-type': 'application/json' };
    for (const headers of [{ authorization: `Bearer ${unbound}` }, await proofKey.headers('POST', path, proved)]) {
      const traceId = randomBytes(16).toString('hex');
      const traced = { ...headers, ...json, traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
      const { status, body, challenge } = await call(`${world.gate.url}${path}`, client, traced, ask);
      const error = body.error as { readonly code: string; readonly reasons: readonly { readonly code: string }[] };
      assert.deepEqual([status, error.code, error.reasons[0]?.code], [403, 'insufficient_scope', 'binding_required']);
      assert.match(challenge, /^(Bearer|DPoP) error="insufficient_scope", scope="gpt.chat"/);
      const [event] = await world.events({ trace_id: traceId });
      assert.deepEqual([event?.type, event?.decision?.reasons.at(-1)?.code], ['denial', 'binding_required']);
    }
    assert.equal(world.model.received.length, 0);
  });

  test('with client: self_signed, the certificate of any authority or of none binds, and vouches for nothing', async () => {
    const { token } = await openTask(anybody, foreign);
    assert.deepEqual(decodeJwt(token).cnf, { 'x5t#S256': thumbprint(foreign) });
    const bearer = { authorization: `Bearer ${token}` };
    assert.equal((await call(`${anybody.gate.url}${path}`, foreign, bearer)).status, 200);
    await refused(anybody, client, bearer, 'binding_wrong');
    await refused(anybody, null, bearer, 'binding_missing');
    const nobody = await call(`${anybody.gate.url}/tasks`, foreign, { authorization: 'Bearer x' }, { purpose: 'test' });
    assert.equal(nobody.status, 401, 'a certificate is no identity');
    const metadata = await call(`${anybody.gate.url}/.well-known/oauth-authorization-server`, null, {});
    assert.equal(metadata.body.tls_client_certificate_bound_access_tokens, true);
  });

  test('a workload token that belongs to a certificate opens a task with that certificate only', async () => {
    const cnf = { 'x5t#S256': thumbprint(client) };
    const headers = { authorization: `Bearer ${world.issuer.token('coordinator', { cnf })}` };
    const open = (identity: Identity) => call(`${world.gate.url}/tasks`, identity, headers, { purpose: 'test' });
    assert.equal((await open(client)).status, 201);
    for (const [identity, reason] of [
      [thief, 'binding_wrong'],
      [null, 'binding_missing'],
    ] as const) {
      const { status, body } = await open(identity);
      const [first] = body.reasons as readonly { readonly code: string }[];
      assert.deepEqual([status, first?.code], [401, reason]);
    }
  });

  test('self_signed is not for the admin plane, and takes no client_ca', async () => {
    const base = JSON.parse(await readFile(world.configFile, 'utf8')) as {
      gateway: Record<string, Record<string, unknown>>;
    };
    const file = `${world.configFile}.other.json`;
    const { tls } = base.gateway;
    const admin_tls = { cert: tls?.cert, key: tls?.key, client: 'self_signed' };
    await writeFile(
      file,
      JSON.stringify({ ...base, gateway: { ...base.gateway, admin_tls, tls: { ...tls, client: 'self_signed' } } }),
    );
    const checked = await checkConfig(file, {});
    assert.ok('faults' in checked);
    const faults = checked.faults.map(({ pointer }) => pointer).toSorted();
    assert.deepEqual(faults, ['/gateway/admin_tls/client', '/gateway/tls/client_ca']);
  });
});
