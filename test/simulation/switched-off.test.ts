/**
 * Proves the attack tables: for each single check of the verifiers, a copy of the source without it is run against the
 * tables, and at least one row must turn red. A check that nothing misses is a check that nobody tests, or that is not
 * needed; those that another check stands behind are named here, with the reason. All of that takes two minutes of
 * processor time: what was proved of exactly these sources and tables stands in `switched-off.proved`, and of that only
 * some is proved again. `TOLLGATE_SWITCHED_OFF_ALL=1` proves everything, and writes the file.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { checkSites } from './check_sites.ts';

const root = resolve(import.meta.dirname, '../..');
const unit = (name: string) => join(root, 'test/unit/identity', `${name}.test.ts`);

interface Subject {
  /** Below src/identity. */
  readonly file: string;
  readonly endings: RegExp;
  /** The tables that must miss its checks. */
  readonly tables: readonly string[];
  /** Checks that another one stands behind, by the text of their line; with which. */
  readonly covered?: Readonly<Record<string, string>>;
}

const refusal = /(?:unauthenticated\()?refuse\([^)]*\)/;

/** The verifier's other way to say no: an early return of nothing. */
const early = /(?<=\) return )(?:undefined|false|'other'|\{ weak: kid \})/;
const subjects: readonly Subject[] = [
  {
    file: 'jwt.ts',
    endings: refusal,
    tables: ['attack-table', 'spiffe', 'dpop', 'verify'],
  },
  { file: 'strict-json.ts', endings: early, tables: ['attack-table'] },
  {
    file: 'jwk.ts',
    endings: early,
    tables: ['jwk', 'attack-table', 'dpop'],
    covered: {
      "if (typeof crv !== 'string' || !curveIsOurs || !Object.hasOwn(coordinateBytes, crv)) return undefined;":
        'a curve without a length fits no coordinate',
      'if (modulusBytes.length > modulusBitsMax / 8 + 1) return false;':
        'spares the arithmetic; the bits are counted after',
    },
  },
  { file: 'claim-path.ts', endings: refusal, tables: ['attack-table', 'conditions', 'issuer-kinds'] },
  {
    file: 'trusted.ts',
    endings: refusal,
    tables: ['attack-table', 'spiffe', 'purposes', 'conditions', 'issuer-kinds'],
  },
  { file: 'workload.ts', endings: refusal, tables: ['attack-table', 'issuer-kinds'] },
  { file: 'subject.ts', endings: refusal, tables: ['subject', 'purposes'] },
  { file: 'people.ts', endings: refusal, tables: ['people'] },
  { file: 'key-source.ts', endings: refusal, tables: ['attack-table', 'key-source'] },
  { file: 'issuer-kinds/aws.ts', endings: refusal, tables: ['issuer-kinds'] },
  { file: 'issuer-kinds/entra.ts', endings: refusal, tables: ['issuer-kinds', 'purposes'] },
  { file: 'issuer-kinds/google.ts', endings: refusal, tables: ['issuer-kinds', 'purposes'] },
  { file: 'issuer-kinds/kubernetes.ts', endings: refusal, tables: ['issuer-kinds'] },
  { file: 'issuer-kinds/spiffe.ts', endings: refusal, tables: ['spiffe'] },
  {
    file: 'task-token.ts',
    endings: refusal,
    tables: ['task-token', 'wrong-place'],
    covered: { "if (kid === null) return refuse('key_unknown');": 'no key has the id null' },
  },
  { file: 'stage.ts', endings: refusal, tables: ['task-token'] },
  { file: 'possession.ts', endings: refusal, tables: ['possession', 'dpop'] },
  { file: 'dpop.ts', endings: refusal, tables: ['dpop'] },
  { file: 'dpop-memory.ts', endings: refusal, tables: ['dpop', 'possession'] },
  { file: 'verify.ts', endings: /(?<!use[^;]*)refuse\('(?!memory)[^)]*\)/, tables: ['verify', 'verify-copies'] },
];

/** What a proof depends on: the verifiers, what they read with, their tables, and this file. */
function digestOfProof(): string {
  const hash = createHash('sha256');
  const patterns = [
    'src/identity/**/*.ts',
    'src/wire/*json*.ts',
    'test/unit/identity/**/*.ts',
    'test/simulation/{switch,check_sites}*',
  ];
  const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).filter((file) => file.endsWith('.ts'));
  for (const file of [...new Set(files)].toSorted()) hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

const provedFile = join(import.meta.dirname, 'switched-off.proved');
const digest = digestOfProof();
const everything = process.env.TOLLGATE_SWITCHED_OFF_ALL === '1';
const proved = !everything && readFileSync(provedFile, 'utf8').trim() === digest;
/** Of what is proved already, one check in so many; which ones follows from the sources. */
const oneIn = 12;
let place = Number.parseInt(digest.slice(0, 4), 16);

/** Whether the next check is proved now. */
function isDue(): boolean {
  place += 1;
  return !proved || place % oneIn === 0;
}

/** Whether the table is green; one that has turned red is not run to its end. */
function run(table: string, changed: string): Promise<boolean> {
  // The file itself and not `--test`, which would start a second process for it.
  const args = ['--import', join(import.meta.dirname, 'switch_off.ts'), '--test-reporter=tap', unit(table)];
  const env = { ...process.env, TOLLGATE_SWITCHED_OFF: changed, NODE_TEST_CONTEXT: undefined };
  const child = spawn(process.execPath, args, { env, timeout: 60_000, stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.on('data', (piece: Buffer) => {
    said += piece;
    if (/^\s*not ok /m.test(said)) child.kill('SIGKILL');
    said = said.slice(said.lastIndexOf('\n') + 1);
  });
  return new Promise((done) => {
    child.once('close', (code) => done(code === 0));
  });
}

/**
 * The first table that turns red; undefined if all are green. It goes to the front of `tables`: what missed one check of a
 * file is the likeliest to miss the next.
 */
async function missedBy(tables: string[], changed: string): Promise<string | undefined> {
  for (const table of [...tables]) {
    if (await run(table, changed)) continue;
    tables.unshift(...tables.splice(tables.indexOf(table), 1));
    return table;
  }
  return undefined;
}

describe('with one check switched off', { concurrency: availableParallelism() }, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tollgate-switched-off-'));
  });
  let due = 0;
  let held = 0;
  after(async () => {
    await rm(folder, { recursive: true, force: true });
    if (everything && held === due) writeFileSync(provedFile, `${digest}\n`);
  });

  for (const { file, endings, tables: named, covered = {} } of subjects) {
    const tables = [...named];
    test(`each check of ${file} is missed by a row [identity.every-check-counts]`, async (t) => {
      const path = join(root, 'src/identity', file);
      const source = await readFile(path, 'utf8');
      const lines = source.split('\n');
      const { sites, unread } = checkSites(source, endings);
      assert.deepEqual(unread, [], 'places that look like a check and could not be read');
      assert.ok(sites.length > 0);
      const chosen = sites.filter(isDue);
      if (chosen.length === 0) return;
      due += chosen.length;
      const unchanged = join(folder, `${file.replaceAll('/', '-')}.control`);
      await writeFile(unchanged, `${path}\n${source}`);
      assert.equal(await missedBy(tables, unchanged), undefined, 'the tables are green with every check');
      const missed = chosen.map((site, index) =>
        t.test(`line ${site.line}: ${site.ending}`, async () => {
          const changed = join(folder, `${file.replaceAll('/', '-')}.${index}`);
          await writeFile(changed, `${path}\n${site.without}`);
          const red = (await missedBy(tables, changed)) !== undefined;
          const text = lines[site.line - 1]?.trim() ?? '';
          if (covered[text] === undefined) assert.ok(red, `no row misses: ${text}`);
          else assert.ok(!red, `a row misses it after all: ${text}`);
          held += 1;
        }),
      );
      await Promise.all(missed);
    });
  }
});
