/** OpenAPI documents that are not one file: from the network, and with references to files and to other hosts. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { OpenApiFetch } from '../../src/assembly/openapi.ts';
import { tableOf } from '../../src/assembly/table.ts';
import { systemClock } from '../../src/clock.ts';
import { configValidator, loadConfig } from '../../src/config/load.ts';
import { checkConfig, startGate } from '../../src/main.ts';
import { FakeUpstream } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { World } from './world.ts';

const validator = configValidator();
let directory: string;
let host: FakeUpstream;
let other: FakeUpstream;
/** What the two hosts serve, by path. */
const served = new Map<string, string>();

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tollgate-openapi-'));
  const serve: FakeUpstream['reply'] = (request, response) => {
    const text = served.get(request.url ?? '');
    if (text?.startsWith('http') === true) response.writeHead(302, { location: text }).end();
    else response.writeHead(text === undefined ? 404 : 200).end(text);
  };
  [host, other] = await Promise.all([FakeUpstream.open(serve), FakeUpstream.open(serve)]);
});
after(async () => {
  await Promise.all([host, other].map((one) => one?.[Symbol.asyncDispose]()));
  await rm(directory, { recursive: true, force: true });
});

const documentWith = (schema: unknown, more: object = {}) =>
  JSON.stringify({
    openapi: '3.1.0',
    info: {},
    paths: {
      '/refunds': {
        post: {
          operationId: 'create_refund',
          requestBody: { required: true, content: { 'application/json': { schema } } },
          responses: {},
        },
      },
    },
    ...more,
  });
const amount = { type: 'object', required: ['amount_cents'], properties: { amount_cents: { type: 'integer' } } };

async function written(openapi: string, row: object = {}): Promise<string> {
  const file = join(directory, 'tollgate.yaml');
  const config = {
    gateway: {
      id: 'g',
      cloud: 'azure',
      region: 'r',
      trust_domain: 'd',
      public_url: 'http://gate.test',
      data_dir: './data',
    },
    policy: { bundle: './policies' },
    issuers: [
      {
        name: 'i',
        issuer: 'https://i.example',
        audiences: ['a'],
        agent: 'claims.sub',
        tenant: 'claims.tid',
        cloud: 'azure',
      },
    ],
    routes: [
      {
        name: 'orders',
        kind: 'http',
        openapi,
        targets: [{ name: 'one', cloud: 'azure', region: 'r', url: 'http://127.0.0.1:9' }],
        ...row,
      },
    ],
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

async function faultsOf(openapi: string, row: object = {}): Promise<string> {
  const clock = systemClock();
  const loaded = await loadConfig(await written(openapi, row), {}, validator, new OpenApiFetch(clock).fetch);
  const checked = 'faults' in loaded ? loaded : await tableOf(loaded, clock);
  return 'faults' in checked ? checked.faults.map(({ pointer, message }) => `${pointer} ${message}`).join('\n') : '';
}

describe('a document', () => {
  test('may be in several files, and each of them is watched [wire.documents-lead-nowhere]', async () => {
    await mkdir(join(directory, 'api/parts'), { recursive: true });
    await writeFile(join(directory, 'api/orders.yaml'), documentWith({ $ref: './parts/refund.yaml#/Refund' }));
    await writeFile(
      join(directory, 'api/parts/refund.yaml'),
      'Refund: {type: object, required: [lines], properties: {lines: {$ref: "#/Lines"}, next: {$ref: "../orders.yaml#/paths/~1refunds/post/requestBody/content/application~1json/schema"}}}\nLines: {$ref: ../../lines.json}\n',
    );
    await writeFile(
      join(directory, 'lines.json'),
      JSON.stringify({ type: 'array', items: { $ref: 'api/parts/refund.yaml#/Refund' } }),
    );
    assert.equal(await faultsOf('./api/orders.yaml'), '');
    const loaded = await loadConfig(await written('./api/orders.yaml'), {}, validator);
    assert.ok('config' in loaded);
    const names = loaded.files.map((file) => file.slice(directory.length + 1));
    assert.deepEqual(names.toSorted(), ['api/orders.yaml', 'api/parts/refund.yaml', 'lines.json', 'tollgate.yaml']);
  });

  test('may come from a host, and lead to hosts that are listed', async () => {
    served.set('/orders.json', documentWith({ $ref: `${other.url}/schemas/refund.json` }));
    served.set('/schemas/refund.json', JSON.stringify({ $id: 'https://schemas.example/refund', ...amount }));
    const url = `${host.url}/orders.json`;
    assert.match(await faultsOf(url), /\/routes\/0\/openapi .*schema leads to .*whose host is not among openapi_hosts/);
    assert.equal(await faultsOf(url, { openapi_hosts: [other.url] }), '');
    assert.deepEqual(await checkConfig(await written(url, { openapi_hosts: [other.url] }), {}), {
      ...{ routes: 1, operations: 1, issuers: 1 },
    });
    assert.match(
      await faultsOf(url, { openapi_hosts: ['http://schemas.example'] }),
      /\/routes\/0\/openapi_hosts expected a host/,
    );
  });

  const outward: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['a file above its folder', () => '../secret.json', /neither below the folder/],
    ['a file of the system', () => 'file:///etc/hostname', /neither below the folder/],
    ['a file that is not there', () => './gone.json', /cannot be read/],
    ['a link that leads out', () => './link.json', /neither below the folder/],
    ['a host that nobody named', () => 'https://schemas.example/a.json', /not among openapi_hosts/],
    ['plain HTTP', () => 'http://schemas.example/a.json', /neither a file nor an https URL/],
    ['another scheme', () => 'data:application/json,{}', /neither a file nor an https URL/],
    ['a host with a password', () => 'https://a:b@schemas.example/a.json', /neither a file nor an https URL/],
  ];
  for (const [what, ref, message] of outward) {
    test(`that leads to ${what} is refused with its place`, async () => {
      await symlink('/etc/hostname', join(directory, 'link.json')).catch(() => undefined);
      await writeFile(join(directory, 'orders.json'), documentWith({ $ref: ref() }));
      const faults = await faultsOf('./orders.json');
      assert.match(faults, message);
      assert.match(faults, /the \$ref at .*orders\.json#\/paths\/~1refunds\/post.*schema leads to/);
    });
  }

  test('of the network leads to no file, and is no redirect', async () => {
    served.set('/local.json', documentWith({ $ref: 'file:///etc/hostname' }));
    assert.match(await faultsOf(`${host.url}/local.json`), /no document of the network/);
    served.set('/moved.json', `${other.url}/orders.json`);
    assert.match(await faultsOf(`${host.url}/moved.json`), /HTTP 302 where a document was expected/);
    assert.match(await faultsOf(`${host.url}/none.json`), /HTTP 404/);
    assert.match(await faultsOf('http://orders.example/a.json'), /expected a path or an https URL/);
  });

  test('with ids and anchors is read by them', async () => {
    const schemas = {
      Refund: {
        $id: 'https://schemas.example/refund',
        ...amount,
        properties: { amount_cents: { $ref: '#cents' } },
        $defs: { Cents: { $anchor: 'cents', type: 'integer' } },
      },
    };
    await writeFile(
      join(directory, 'ids.json'),
      documentWith({ $ref: 'https://schemas.example/refund' }, { components: { schemas } }),
    );
    assert.equal(await faultsOf('./ids.json'), '');
  });
});

describe('a gate whose document comes from a host', part('opa'), () => {
  test('keeps to it, follows its changes, and starts without the network [wire.documents-lead-nowhere]', async () => {
    served.set('/v.json', documentWith({ $ref: 'amount.json' }));
    served.set('/amount.json', JSON.stringify(amount));
    const documents = await FakeUpstream.open(host.reply);
    const openapi = `${documents.url}/v.json`;
    const rows = { orders: { openapi, operations: {} } };
    await using world = await World.open({ rows });
    const task = await world.task();
    const refund = async (value: unknown) => {
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
      return (await world.fetch('/tools/orders/refunds', task.token, init)).status;
    };
    assert.deepEqual(
      [await refund({ amount_cents: 5 }), await refund({ amount_cents: 'x' }), await refund({})],
      [200, 422, 422],
    );
    served.set('/amount.json', JSON.stringify({ ...amount, properties: { amount_cents: { type: 'string' } } }));
    assert.equal((await world.gate.reload('signal')).outcome, 'applied');
    assert.deepEqual([await refund({ amount_cents: 5 }), await refund({ amount_cents: 'x' })], [422, 200]);
    served.set('/amount.json', '{"type": "strange"}');
    assert.equal((await world.gate.reload('signal')).outcome, 'refused');
    assert.equal(await refund({ amount_cents: 'x' }), 200);
    assert.deepEqual(
      world.orders.received.map(({ body }) => String(body)),
      ['{"amount_cents":5}', '{"amount_cents":"x"}', '{"amount_cents":"x"}'],
    );
    await documents[Symbol.asyncDispose]();
    // The broken one was never kept: what is kept made a good table.
    assert.equal((await world.gate.reload('signal')).outcome, 'unchanged');
    await world.gate.close();
    const logs: string[] = [];
    const log = (level: string, message: string) => void logs.push(`${level} ${message}`);
    const gate = await startGate({ configFile: world.configFile, env: process.env, log });
    assert.ok(
      logs.some((line) => line.startsWith('warn an OpenAPI document could not be fetched')),
      logs.join('\n'),
    );
    await gate.close();
  });

  test('is told what is wrong where there is no copy', async () => {
    const gone = await FakeUpstream.open();
    const url = `${gone.url}/v.json`;
    await gone[Symbol.asyncDispose]();
    const file = await written(url);
    const loaded = await loadConfig(file, {}, validator, new OpenApiFetch(systemClock()).fetch);
    assert.ok('faults' in loaded);
    assert.match(loaded.faults[0]?.message ?? '', /cannot be read/);
  });
});
