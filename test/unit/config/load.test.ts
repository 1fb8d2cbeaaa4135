import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ConfigFault } from '../../../src/config/document.ts';
import { faultLine, loadConfig } from '../../../src/config/load.ts';

let directory = '';
let files = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tollgate-load-'));
});
after(() => rm(directory, { recursive: true }));

async function load(source: string, name = `tollgate-${files++}.yaml`, env: Record<string, string> = {}) {
  const file = join(directory, name);
  await writeFile(file, source);
  return loadConfig(file, env);
}

async function faultsOf(source: string, env: Record<string, string> = {}): Promise<readonly ConfigFault[]> {
  const loaded = await load(source, undefined, env);
  assert.ok('faults' in loaded, 'the file is not good');
  return loaded.faults;
}

const short = ({ line, pointer, message }: ConfigFault) => `${line} ${pointer} ${message}`;

const good = `
gateway: { listen: 127.0.0.1:8080, data_dir: ./data }
issuers:
  - { name: azure, issuer: https://login.example, audiences: [a], tenant: claims.tid, cloud: azure }
policy: { bundle: ./policies }
routes:
  - name: gpt
    kind: model
    targets:
      - { name: one, cloud: azure, region: eu, provider: openai, url: https://m.example/v1, model: m, max_output_tokens: 10,
          price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
`;

test('a good file comes out with its defaults filled in and its paths made absolute', async () => {
  const loaded = await load(good);
  assert.ok('config' in loaded, 'faults' in loaded ? loaded.faults.map(faultLine).join('\n') : '');
  const { config } = loaded;
  assert.equal(config.gateway.data_dir, join(directory, 'data'));
  assert.ok(isAbsolute(config.policy.bundle));
  assert.equal(config.limits.stage_ms, 5000);
  assert.equal(config.task.loop.repeats, 5);
  assert.equal(config.routes[0]?.targets[0]?.weight, 1);
  assert.equal(config.routes[0]?.targets[0]?.timeout_ms.connect, 2000);
});

test('[config.all-faults-listed] every fault of a file is told at once, each with its line, in order', async () => {
  const faults = await faultsOf(`gateway:
  listen: nonsense
  admim: 127.0.0.1:8081
limits: { stage_ms: 1, history: many }
task: { budget: { cost_usd: -1 } }
policy: { bundle: ./policies }
audit: { durability: { write: relaxed } }
routes:
  - name: UPPER
    kind: model
    targets: []
  - name: x
    kind: soap
  - name: y
    kind: http
    targets:
      - { name: one, cloud: aws, region: eu, url: "ftp://x" }
nonsense: 1
`);
  const told = faults.map(short);
  const expected: readonly [number, string, RegExp][] = [
    [2, '/gateway/listen', /expected text of the form .*, found "nonsense"/],
    [3, '/gateway/admim', /unknown key admim; did you mean admin\?/],
    [4, '/limits/stage_ms', /must be >= 50, found 1/],
    [4, '/limits/history', /expected integer, found "many"/],
    [5, '/task/budget/cost_usd', /must be >= 0, found -1/],
    [7, '/audit/durability/write', /expected "strict", found "relaxed"/],
    [9, '/routes/0/name', /expected text of the form/],
    [11, '/routes/0/targets', /fewer than 1/],
    [13, '/routes/1/kind', /expected one of: model, http, mcp, found "soap"/],
    [14, '/routes/2', /openapi is missing/],
    [17, '/routes/2/targets/0/url', /expected text of the form/],
    [18, '/nonsense', /unknown key nonsense; expected one of: gateway, issuers/],
  ];
  for (const [line, pointer, message] of expected) {
    const found = faults.find((fault) => fault.pointer === pointer && message.test(fault.message));
    assert.ok(found !== undefined, `${pointer} is not among\n${told.join('\n')}`);
    // What is missing has no line of its own: the nearest one around it is told.
    assert.equal(found.line, line, short(found));
    assert.ok(found.line > 0 && found.column > 0);
  }
  const lines = faults.map(({ line }) => line);
  assert.deepEqual(
    lines,
    lines.toSorted((left, right) => left - right),
  );
});

test('of a value with several shapes only the shape it tried to be is complained of', async () => {
  const faults = await faultsOf(
    good.replace('policy:', 'store: { kind: memori }\naudit: { durability: { read: always } }\npolicy:'),
  );
  assert.ok(
    faults.some(
      ({ pointer, message }) => pointer === '/audit/durability/read' && /relaxed, strict, found "always"/.test(message),
    ),
    faults.map(short).join('\n'),
  );
  assert.ok(
    faults.some(({ pointer }) => pointer.startsWith('/store')),
    faults.map(short).join('\n'),
  );
  assert.equal(faults.filter(({ pointer }) => pointer.startsWith('/audit')).length, 1);
  const credential = await faultsOf(`${good}credentials: { key: { kind: header, nam: x, value: y } }\n`);
  assert.ok(
    credential.every(({ pointer }) => pointer.startsWith('/credentials/key')),
    credential.map(short).join('\n'),
  );
  assert.ok(
    credential.some(({ message }) => /did you mean name\?/.test(message)),
    credential.map(short).join('\n'),
  );
});

test('what no schema can say is told with its line too, once the shape is right', async () => {
  const faults = await faultsOf(
    good
      .replace('data_dir: ./data', 'data_dir: ./data, admin: 127.0.0.1:8080')
      .replace('max_output_tokens: 10,', 'max_output_tokens: 10, credential: nobody,')
      .replace('https://login.example', 'http://login.example')
      .concat('budget: { tenants: { acme: { per: day } } }\n'),
  );
  assert.deepEqual(
    faults.map(({ line, pointer }) => `${line} ${pointer}`),
    ['2 /gateway/admin', '4 /issuers/0/issuer', '10 /routes/0/targets/0/credential', '12 /budget/tenants/acme'],
  );
});

test('an OpenAPI document that is not there is a fault of the line that names it', async () => {
  const route =
    '  - { name: t, kind: http, openapi: ./nope.yaml, targets: [{ name: a, cloud: c, region: r, url: http://t.example }] }\n';
  const [fault, ...more] = await faultsOf(good + route);
  assert.deepEqual([fault?.line, fault?.pointer, more.length], [12, '/routes/1/openapi', 0]);
  assert.match(fault?.message ?? '', /nope\.yaml cannot be read/);
});

test('a JSON file is as good, and its faults have lines as well', async () => {
  const loaded = await load(JSON.stringify({ policy: { bundle: './p' } }), 'tollgate.json');
  assert.ok('config' in loaded);
  const [fault] = await faultsOf('{\n  "policy": { "bundle": "./p" },\n  "gatewy": {}\n}\n');
  assert.deepEqual([fault?.line, fault?.message], [3, 'unknown key gatewy; did you mean gateway?']);
});

test('a file that is not there, or is no document is told as a fault', async () => {
  const gone = await loadConfig(join(directory, 'gone.yaml'), {});
  assert.ok('faults' in gone);
  assert.match(faultLine(gone.faults[0] as ConfigFault), /^.*gone\.yaml the file cannot be read: ENOENT/);
  for (const source of ['- a\n- b\n', 'just text\n', '[']) {
    assert.ok((await faultsOf(source)).length > 0, JSON.stringify(source));
  }
});

test('a fault is one line: file, line, column, pointer, message', () => {
  const fault = {
    file: 'tollgate.yaml',
    line: 12,
    column: 5,
    pointer: '/routes/0/kind',
    message: 'expected one of: model',
  };
  assert.equal(faultLine(fault), 'tollgate.yaml:12:5 /routes/0/kind: expected one of: model');
});
