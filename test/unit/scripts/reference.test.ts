import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import {
  actions,
  configPage,
  denialsPage,
  notGivenYet,
  promisesPage,
  referenceFiles,
  staleFiles,
} from '../../../scripts/reference.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { denials } from '../../../src/denial.ts';
import { promises } from '../../promises.ts';

/** The folder of package.json, wherever below it this test stands. */
function projectRoot(folder: string): string {
  const isRoot = globSync('package.json', { cwd: folder }).length > 0;
  return isRoot ? folder : projectRoot(dirname(folder));
}
const root = projectRoot(import.meta.dirname);

/** A copy of the generated files, to be spoilt. */
async function copyOfReference(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'tollgate-reference-'));
  for (const path of Object.keys(referenceFiles())) await cp(join(root, path), join(copy, path));
  return copy;
}

describe('the generated reference', () => {
  it('stands in the repository as the code says it', async () => {
    assert.deepEqual(await staleFiles(root), [], 'run `npm run reference`');
  });

  it('names each file that differs, and no other', async () => {
    const copy = await copyOfReference();
    try {
      assert.deepEqual(await staleFiles(copy), []);
      const page = join(copy, 'docs/reference/denials.md');
      await writeFile(page, (await readFile(page, 'utf8')).replace('| 403 |', '| 404 |'));
      await rm(join(copy, 'policies/schema/decision.json'));
      assert.deepEqual(await staleFiles(copy), ['docs/reference/denials.md', 'policies/schema/decision.json']);
    } finally {
      await rm(copy, { recursive: true });
    }
  });

  it('is checked by the command without being written', async () => {
    const before = readFileSync(join(root, 'docs/reference/config.md'), 'utf8');
    const script = join(root, 'scripts/reference.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--check'], { cwd: root });
    assert.equal(stdout, 'the reference is up to date\n');
    assert.equal(readFileSync(join(root, 'docs/reference/config.md'), 'utf8'), before);
  });
});

describe('the page of denials', () => {
  it('has one row for each code, with status, whether to repeat, and what to do', () => {
    const rows = denialsPage().matchAll(/^\| `(\w+)` \| (\d+) \| (yes|no) \| (.+?) \| (.+) \|$/gm);
    const table = Object.fromEntries(
      [...rows].map(([, code, status, retryable, title, action]) => [
        code,
        { status: Number(status), retryable: retryable === 'yes', title, action },
      ]),
    );
    const expected = Object.entries(denials).map(([code, row]) => [code, { ...row, action: actions[code as never] }]);
    assert.deepEqual(table, Object.fromEntries(expected));
  });

  it('says of no code that it is not given which a room denies with', () => {
    const sources = globSync('src/**/*.ts', { cwd: root }).map((path) => readFileSync(join(root, path), 'utf8'));
    const given = new Set(
      sources.flatMap((text) => [...text.matchAll(/\bdeny\(\s*'(\w+)'/g)].map(([, code]) => code as string)),
    );
    assert.deepEqual(
      notGivenYet.filter((code) => given.has(code)),
      [],
    );
  });
});

describe('the page of promises', () => {
  it('has every promise with its sentence', () => {
    const page = promisesPage();
    for (const [id, { sentence }] of Object.entries(promises))
      assert.ok(page.includes(`| \`${id}\` | ${sentence} |`), id);
  });
});

describe('the page of the configuration', () => {
  it('has a heading for every section', () => {
    const headings = [...configPage().matchAll(/^## (\S+)$/gm)].map(([, name]) => name);
    assert.deepEqual(headings, Object.keys(configSchema.properties));
  });

  it('keeps every table row to four cells', () => {
    const rows = configPage()
      .split('\n')
      .filter((line) => line.startsWith('|'));
    for (const row of rows) assert.equal(row.split(/(?<!\\)\|/).length, 6, row);
  });
});

describe('tollgate.schema.json', () => {
  const schema = JSON.parse(referenceFiles()['docs/reference/tollgate.schema.json'] as string);
  const validate = new Ajv2020({ allErrors: true, strict: false, discriminator: true }).compile(schema);

  it('takes the tollgate.yaml of the example as it is written, without defaults filled in', () => {
    const example = parse(readFileSync(join(root, 'examples/return-exceptions/tollgate.yaml'), 'utf8'));
    for (const route of example.routes) for (const target of route.targets) target.url = 'http://127.0.0.1:1';
    Object.assign(example.gateway, { listen: '127.0.0.1:1', admin: '127.0.0.1:2', public_url: 'http://127.0.0.1:1' });
    assert.equal(validate(example), true, JSON.stringify(validate.errors));
  });

  it('refuses a key that no room declares, and a target without its region', () => {
    assert.equal(validate({ gatway: {} }), false);
    const target = { name: 'a', cloud: 'c', url: 'http://127.0.0.1:1' };
    assert.equal(validate({ routes: [{ name: 'r', kind: 'http', openapi: 'x', targets: [target] }] }), false);
    const whole = { ...target, region: 'r' };
    assert.equal(validate({ routes: [{ name: 'r', kind: 'http', openapi: 'x', targets: [whole] }] }), true);
  });
});
