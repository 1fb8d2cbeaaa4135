/** How the OPA compiler is found: each way against a loopback release host, a fake `go` and fake compilers. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { findOpa, knownOpa, OpaMissing, OpaRefused, opaAsset, opaCacheDir, opaVersion } from '../../../scripts/opa.js';

const asset = 'opa_linux_amd64_static';

/** A compiler that says its version and counts, in `runs`, how often it was asked. */
function compiler(version: string, runs?: string): string {
  return `#!/bin/sh\n${runs === undefined ? '' : `echo run >> '${runs}'\n`}echo "Version: ${version}"\n`;
}

function program(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

describe('finding the OPA compiler', () => {
  const root = mkdtempSync(join(tmpdir(), 'tollgate-opa-'));
  const published = new Map<string, string>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const text = published.get(request.url ?? '');
    if (text === undefined) response.writeHead(404).end('no such file');
    else if (text === 'hang')
      return; // never answers
    else response.writeHead(200).end(text);
  });
  let test = 0;
  let cacheDir = '';
  let bin = '';
  let releases = '';

  beforeEach(async () => {
    if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    releases = `http://127.0.0.1:${(server.address() as AddressInfo).port}/download`;
    published.clear();
    asked.length = 0;
    test++;
    cacheDir = join(root, String(test), 'cache');
    bin = join(root, String(test), 'bin');
    mkdirSync(bin, { recursive: true });
  });

  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(root, { recursive: true, force: true });
  });

  // The fake programs are shell scripts, so the shell's own folder stays on PATH.
  const env = (more: Record<string, string> = {}) => ({
    PATH: `${bin}:/bin`,
    TOLLGATE_OPA_RELEASES: releases,
    ...more,
  });
  const publish = (binary: string, checksum = `${sha256(binary)}  ${asset}\n`) => {
    published.set(`/download/v${opaVersion}/${asset}`, binary);
    published.set(`/download/v${opaVersion}/${asset}.sha256`, checksum);
  };
  const leftovers = () =>
    existsSync(cacheDir) ? readdirSync(cacheDir).filter((name) => name.startsWith('.new-')) : [];

  it('takes the one on PATH before everything else, and asks no network', async () => {
    const path = program(join(bin, 'opa'), compiler(opaVersion));
    program(join(cacheDir, opaVersion, 'opa'), compiler(opaVersion));
    assert.equal(await findOpa({ env: env(), cacheDir, asset }), path);
    assert.deepEqual(asked, []);
  });

  it('passes over another version on PATH and takes the cached one', async () => {
    program(join(bin, 'opa'), compiler('1.21.0'));
    const cached = program(join(cacheDir, opaVersion, 'opa'), compiler(opaVersion));
    assert.equal(await findOpa({ env: env(), cacheDir, asset }), cached);
    assert.deepEqual(asked, []);
  });

  it('asks a program for its version once, and again after it changed', async () => {
    const runs = join(root, String(test), 'runs');
    program(join(bin, 'opa'), compiler(opaVersion, runs));
    await findOpa({ env: env(), cacheDir, asset });
    await findOpa({ env: env(), cacheDir, asset });
    assert.equal(readFileSync(runs, 'utf8'), 'run\n');
    program(join(bin, 'opa'), compiler('1.21.0-and-longer', runs));
    assert.equal(await knownOpa({ env: env(), cacheDir }), undefined);
    assert.equal(readFileSync(runs, 'utf8'), 'run\nrun\n');
  });

  it('downloads the release and uses it when its checksum is right', async () => {
    publish(compiler(opaVersion));
    const path = await findOpa({ env: env(), cacheDir, asset });
    assert.equal(path, join(cacheDir, opaVersion, 'opa'));
    assert.equal(readFileSync(path, 'utf8'), compiler(opaVersion));
    asked.length = 0;
    assert.equal(await findOpa({ env: env(), cacheDir, asset }), path);
    assert.deepEqual(asked, [], 'the second time it is in the cache');
    assert.deepEqual(leftovers(), []);
  });

  it('refuses a release whose checksum is wrong, keeps nothing of it and tries no other way', async () => {
    const mark = join(root, String(test), 'go-ran');
    program(join(bin, 'go'), `#!/bin/sh\ntouch '${mark}'\n`);
    publish(compiler(opaVersion), `${sha256('what the publisher built')}  ${asset}\n`);
    await assert.rejects(findOpa({ env: env(), cacheDir, asset }), (error: Error) => {
      assert.ok(error instanceof OpaRefused);
      assert.match(error.message, new RegExp(sha256('what the publisher built')));
      return true;
    });
    assert.equal(existsSync(join(cacheDir, opaVersion, 'opa')), false);
    assert.equal(existsSync(mark), false);
    assert.deepEqual(leftovers(), []);
  });

  it('falls through to go install when the release is not there', async () => {
    program(
      join(bin, 'go'),
      `#!/bin/sh\nprintf '#!/bin/sh\\necho "Version: ${opaVersion}"\\n' > "$GOBIN/opa"\nchmod +x "$GOBIN/opa"\necho "$@" > '${root}/go-args'\n`,
    );
    const path = await findOpa({ env: env(), cacheDir, asset });
    assert.equal(path, join(cacheDir, opaVersion, 'opa'));
    assert.match(readFileSync(join(root, 'go-args'), 'utf8'), new RegExp(`opa@v${opaVersion}`));
    assert.equal(asked.length, 1, 'without a checksum the binary is not even asked for');
  });

  it('falls through when the answer is a page and not a checksum', async () => {
    publish(compiler(opaVersion), '<html>Please log in to this network</html>');
    await assert.rejects(findOpa({ env: env(), cacheDir, asset }), /holds no checksum/);
  });

  it('gives up soon on a host that does not answer', async () => {
    publish('hang', 'hang');
    const start = performance.now();
    await assert.rejects(findOpa({ env: env(), cacheDir, asset, headMs: 100 }), /no answer within 100 ms/);
    assert.ok(performance.now() - start < 3_000);
  });

  it('does not fetch over plain HTTP from another machine', async () => {
    const outside = env({ TOLLGATE_OPA_RELEASES: 'http://192.0.2.1/download' });
    await assert.rejects(findOpa({ env: outside, cacheDir, asset }), /neither https nor on loopback/);
  });

  it('names the four ways when none of them works', async () => {
    await assert.rejects(findOpa({ env: env(), cacheDir, asset }), (error: Error) => {
      assert.ok(error instanceof OpaMissing);
      for (const way of [/on PATH/, /copy it to/, /TOLLGATE_OPA_RELEASES/, /go install/])
        assert.match(error.message, way);
      assert.match(error.message, /HTTP 404/);
      assert.match(error.message, /go is not on PATH/);
      return true;
    });
    assert.deepEqual(leftovers(), []);
  });

  it('does not use a release that says it is another version', async () => {
    publish(compiler('1.19.0'));
    await assert.rejects(findOpa({ env: env(), cacheDir, asset }), /says it is version 1\.19\.0/);
    assert.equal(existsSync(join(cacheDir, opaVersion, 'opa')), false);
  });

  it('gives two that run at once the same whole compiler', async () => {
    publish(compiler(opaVersion));
    const paths = await Promise.all([1, 2, 3].map(() => findOpa({ env: env(), cacheDir, asset })));
    assert.equal(new Set(paths).size, 1);
    assert.equal(readFileSync(paths[0] ?? '', 'utf8'), compiler(opaVersion));
    assert.deepEqual(leftovers(), []);
  });

  it('takes TOLLGATE_OPA at its word only if the version is right', async () => {
    const right = program(join(root, 'right'), compiler(opaVersion));
    const wrong = program(join(root, 'wrong'), compiler('0.70.0'));
    assert.equal(await findOpa({ env: env({ TOLLGATE_OPA: right }), cacheDir, asset }), right);
    await assert.rejects(findOpa({ env: env({ TOLLGATE_OPA: wrong }), cacheDir, asset }), /OPA 0\.70\.0/);
  });

  it('installs nothing when it only looks', async () => {
    publish(compiler(opaVersion));
    assert.equal(await knownOpa({ env: env(), cacheDir }), undefined);
    assert.deepEqual(asked, []);
  });

  it('keeps the cache in the project, and in the cache of the user once it is an installed package', () => {
    assert.equal(opaCacheDir({}, '/home/dev/tollgate'), '/home/dev/tollgate/.cache/opa');
    assert.equal(opaCacheDir({ XDG_CACHE_HOME: '/c' }, '/app/node_modules/tollgate'), '/c/tollgate/opa');
    assert.match(opaCacheDir({}, '/app/node_modules/tollgate'), /\.cache\/tollgate\/opa$/);
  });

  it('knows the names OPA publishes its binaries under', () => {
    assert.equal(opaAsset('linux', 'x64'), 'opa_linux_amd64_static');
    assert.equal(opaAsset('darwin', 'arm64'), 'opa_darwin_arm64_static');
    assert.equal(opaAsset('sunos', 'x64'), undefined);
  });
});
