/**
 * A whole gate towards two clouds it has no key of: each learns the keys of the gate as clouds do, from its discovery
 * document over HTTP, and the targets take what their cloud gave and nothing else.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { systemClock } from '../../src/clock.ts';
import { type AwsCloud, awsCloud } from '../fakes/clouds/aws.ts';
import { type CloudRules, FakeCloud, must } from '../fakes/clouds/cloud.ts';
import { bearerAnswer, takesBearer } from '../fakes/clouds/oauth.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { World } from './world.ts';

const options = part('opa');
const roleArn = 'arn:aws:iam::123456789012:role/tollgate';

/** As a cloud verifies it: the issuer is configured, its keys are found by its discovery document. */
async function verified(assertion: string | null, gateUrl: string, audience: string): Promise<JWTPayload> {
  const discovery = await fetch(`${gateUrl}/.well-known/openid-configuration`);
  const { issuer, jwks_uri: uri } = (await discovery.json()) as { issuer: string; jwks_uri: string };
  must(issuer === gateUrl, `the issuer calls itself ${issuer}`);
  const keys = createRemoteJWKSet(new URL(uri));
  const { payload } = await jwtVerify(assertion ?? '', keys, {
    ...{ issuer, audience, algorithms: ['RS256'], typ: 'JWT' },
    requiredClaims: ['sub', 'exp', 'iat', 'jti'],
  });
  return payload;
}

function entra(gateUrl: string): CloudRules {
  return {
    async issue(request, cloud) {
      const form = new URLSearchParams(request.body.toString());
      const claims = await verified(form.get('client_assertion'), gateUrl, 'api://AzureADTokenExchange');
      must(claims.sub === 'tollgate:models', `AADSTS700213: no federated identity has the subject ${claims.sub}`);
      must(request.url === '/contoso.example/oauth2/v2.0/token', `asked at ${request.url}`);
      must(form.get('scope') === 'https://cognitiveservices.azure.com/.default', 'wrong scope');
      return { type: 'application/json', body: JSON.stringify(bearerAnswer(cloud)) };
    },
    refuse: (why) => ({
      status: 400,
      type: 'application/json',
      body: JSON.stringify({ error: 'invalid_request', error_description: why, error_codes: [700213] }),
    }),
    admit: takesBearer,
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

interface File {
  credentials: Record<string, object>;
  routes: { targets: Record<string, unknown>[] }[];
  [section: string]: unknown;
}

let world: World;
let aws: FakeCloud;
let azure: FakeCloud;
let sts: AwsCloud;

async function edit(change: (file: File) => void): Promise<void> {
  const file = JSON.parse(await readFile(world.configFile, 'utf8')) as File;
  change(file);
  await writeFile(world.configFile, JSON.stringify(file));
  const { outcome, faults } = await world.gate.reload('signal');
  assert.equal(outcome, 'applied', JSON.stringify(faults));
}

before(async () => {
  if (options.skip !== undefined) return;
  const port = await freePort();
  const gateUrl = `http://127.0.0.1:${port}`;
  world = await World.open({ config: { gateway: { listen: `127.0.0.1:${port}`, public_url: gateUrl } } });
  sts = awsCloud({
    ...{ roleArn, region: 'eu-central-1', service: 'execute-api', durationSeconds: 900 },
    verify: (token) => verified(token, gateUrl, 'sts.amazonaws.com'),
  });
  aws = await FakeCloud.open(systemClock(), sts);
  azure = await FakeCloud.open(systemClock(), entra(gateUrl));
  azure.serve = chatReply();
  aws.serve = (_request, response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end('{"order":"O-1"}');
  await edit((file) => {
    file.credentials = {
      aws: {
        ...{ kind: 'aws-web-identity', role_arn: roleArn, region: 'eu-central-1', service: 'execute-api' },
        ...{ subject: 'tollgate', tags: ['task', 'subject'], token_url: `${aws.tokens.url}/` },
      },
      azure: {
        ...{ kind: 'azure-federated', tenant: 'contoso.example', client_id: 'gate', subject: 'tollgate:models' },
        scope: 'https://cognitiveservices.azure.com/.default',
        token_url: `${azure.tokens.url}/contoso.example/oauth2/v2.0/token`,
      },
    };
    const [model, orders] = file.routes;
    Object.assign(model?.targets[0] ?? {}, { url: `${azure.target.url}/v1`, credential: 'azure' });
    Object.assign(orders?.targets[0] ?? {}, { url: aws.target.url, credential: 'aws' });
  });
});

after(async () => {
  await world?.[Symbol.asyncDispose]();
  await aws?.[Symbol.asyncDispose]();
  await azure?.[Symbol.asyncDispose]();
});

const everywhere = () =>
  [aws, azure].flatMap(({ tokens, target }) =>
    [...tokens.received, ...target.received].map(
      ({ url, headers, body }) => `${url} ${JSON.stringify(headers)} ${body}`,
    ),
  );

test('a service in AWS is called with a signed request of a session that names task and subject', options, async () => {
  const task = await world.task({ subject: { id: 'C-1' } });
  const response = await world.fetch('/tools/orders/orders/O-1', task.token);
  assert.equal(response.status, 200, aws.faults.join('\n'));
  assert.deepEqual(await response.json(), { order: 'O-1' });
  assert.deepEqual(aws.faults, []);
  const paid = await world.refund(task.token, 700, { note: 'café' });
  assert.equal(paid.status, 200, aws.faults.join('\n'));
  assert.equal(aws.asked, 1, 'one session for the task');
  const [session] = sts.sessions.values();
  assert.equal(session?.name, task.id);
  const { subject_type: _type, ...tags } = session?.tags ?? {};
  assert.deepEqual(tags, { task: [task.id], subject: ['C-1'], subject_assurance: ['asserted'] });

  const other = await world.task({ subject: { id: 'C-2' } });
  assert.equal((await world.fetch('/tools/orders/orders/O-1', other.token)).status, 200);
  assert.equal(sts.sessions.size, 2);
  const shown = aws.target.received.map(({ headers }) => String(headers['x-amz-security-token']));
  assert.equal(new Set(shown).size, 2);

  for (const text of everywhere()) for (const { token } of [task, other]) assert.equal(text.includes(token), false);
  const events = await world.events({ task: task.id, operation: 'orders.get_order' });
  assert.deepEqual(
    events.map(({ type, status }) => [type, status]),
    [
      ['intent', null],
      ['outcome', 200],
    ],
  );
});

test('a model in Azure is called with a token of Entra, which took an assertion of the gate', options, async () => {
  const task = await world.task();
  for (let call = 0; call < 3; call++) {
    const response = await world.chat(task.token);
    assert.equal(response.status, 200, azure.faults.join('\n'));
    await response.text();
  }
  assert.deepEqual([azure.asked, azure.target.received.length], [1, 3]);
  assert.match(String(azure.target.received[0]?.headers.authorization), /^Bearer token-1-/);
  for (const text of everywhere()) assert.equal(text.includes(task.token), false);
  const outcomes = await world.events({ task: task.id, type: 'outcome' });
  assert.deepEqual(
    outcomes.map(({ status, target }) => [status, target?.name]),
    Array.from({ length: 3 }, () => [200, 'one']),
  );
});

test('what was got stays over a change of the configuration that is about something else', options, async () => {
  const task = await world.task({ subject: { id: 'C-3' } });
  assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
  const asked = [aws.asked, azure.asked];
  await edit((file) => {
    file.breaker = { volume: 17 };
  });
  assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
  assert.equal((await world.chat(task.token)).status, 200);
  assert.deepEqual([aws.asked, azure.asked], asked);
});

test(
  '[upstream.no-credential-no-call] a call whose token service says no is not sent, and says why to the operator',
  options,
  async () => {
    aws.trouble = 'refuses';
    const [asked, sent] = [aws.asked, aws.target.received.length];
    const task = await world.task({ subject: { id: 'C-4' } });
    for (let call = 0; call < 4; call++) {
      const response = await world.fetch('/tools/orders/orders/O-1', task.token);
      const answer = (await response.json()) as { code: string; reasons: { code: string }[]; message?: string };
      assert.deepEqual([response.status, answer.code], [503, 'upstream_unavailable']);
      assert.deepEqual(
        answer.reasons.map(({ code }) => code),
        ['credential'],
      );
      for (const hidden of ['InvalidIdentityToken', '127.0.0.1', roleArn]) {
        assert.equal(JSON.stringify(answer).includes(hidden), false, hidden);
      }
    }
    aws.trouble = null;
    assert.deepEqual([aws.asked, aws.target.received.length], [asked + 1, sent]);
    const outcomes = await world.events({ task: task.id, type: 'outcome' });
    assert.deepEqual(
      outcomes.map(({ status, attempts }) => [status, attempts.map(({ error }) => error)]),
      Array.from({ length: 4 }, () => [503, ['credential']]),
    );
    assert.ok(
      world.logs.some((line) => /could not be got.*"credential":"aws".*"code":"InvalidIdentityToken"/.test(line)),
      world.logs.join('\n'),
    );
  },
);

test('a task that was killed shows its session to nobody any more', options, async () => {
  const task = await world.task({ subject: { id: 'C-5' } });
  assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
  const killed = await world.fetch(`/tasks/${task.id}/kill`, world.issuer.token('coordinator'), { method: 'POST' });
  assert.equal(killed.status, 200);
  const sent = aws.target.received.length;
  const response = await world.fetch('/tools/orders/orders/O-1', task.token);
  assert.equal(response.status, 403);
  assert.equal(aws.target.received.length, sent);
});

test('[upstream.credentials-untold] nothing of it all is in a log, an answer or the trail', options, async () => {
  const assertions = [aws, azure].flatMap(({ tokens }) =>
    tokens.received.map(({ body }) => {
      const form = new URLSearchParams(body.toString());
      return form.get('WebIdentityToken') ?? form.get('client_assertion') ?? '';
    }),
  );
  assert.ok(assertions.length > 5 && assertions.every((assertion) => assertion.startsWith('eyJ')));
  const secrets = [...assertions, ...aws.secrets, ...azure.secrets];
  const trail = JSON.stringify(await world.events());
  for (const secret of secrets) {
    assert.equal(trail.includes(secret), false);
    for (const line of world.logs) assert.equal(line.includes(secret), false, line);
  }
});
