/**
 * One bundle server, read by a gateway's engine and by a real OPA at the same time. OPA as it is published has no WASM
 * engine, so each release is built for both, from the same sources and under the same key.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { part } from '../parts.ts';
import { opaPath, temporaryFolder } from '../unit/policy/bundles.ts';
import { engineServedBy, markOf, serverOf } from '../unit/policy/served.ts';
import { opaBundle, type Signer, signerFor } from '../unit/policy/signed.ts';
import { freePort } from './free-port.ts';

const regoPath = '/bundles/team-rego.tar.gz';

/** The two files of one release. */
async function release(t: TestContext, mark: string, signer: Signer): Promise<[Buffer, Record<string, Buffer>]> {
  const rego = await opaBundle(t, { mark, signer, target: 'rego' });
  return [await opaBundle(t, { mark, signer }), { [regoPath]: rego }];
}

/** A running OPA that takes its one bundle from `service`, and checks its signature under the key of `signer`. */
async function opaOn(t: TestContext, service: string, { key }: Signer) {
  const folder = await temporaryFolder(t);
  const port = await freePort();
  const config = {
    services: { bundles: { url: service } },
    keys: { [key.kid]: { algorithm: key.algorithm, key: key.public_key } },
    bundles: {
      team: {
        service: 'bundles',
        resource: regoPath.slice(1),
        signing: { keyid: key.kid },
        polling: { long_polling_timeout_seconds: 20, min_delay_seconds: 1, max_delay_seconds: 1 },
      },
    },
  };
  await writeFile(join(folder, 'opa.json'), JSON.stringify(config));
  const args = [
    'run',
    '--server',
    '--addr',
    `127.0.0.1:${port}`,
    '--log-level',
    'error',
    '--config-file',
    join(folder, 'opa.json'),
  ];
  const child = spawn(opaPath(), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-20_000);
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
  });
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/data/${path}`).catch(() => undefined);
    return ((await response?.json()) as { result?: unknown } | undefined)?.result;
  };
  return {
    revision: () => get('system/bundles/team/manifest/revision'),
    mark: async () =>
      ((await get('tollgate/call/decision')) as { reasons: { code: string }[] } | undefined)?.reasons[0]?.code,
    said: () => said,
  };
}

async function until(condition: () => Promise<boolean>, what: () => string): Promise<void> {
  for (let look = 0; look < 300; look++) {
    if (await condition()) return;
    await sleep(50);
  }
  assert.fail(what());
}

test(
  'a real OPA and the gateway follow one server of signed bundles, through a change, a forgery and its absence',
  part('opa'),
  async (t) => {
    const signer = signerFor('ES256', 'team');
    const [first, firstRego] = await release(t, 'a', signer);
    const server = await serverOf(t, first, true, firstRego);
    const fetchSettings = { long_poll_seconds: 20, min_delay_seconds: 1, max_delay_seconds: 1, timeout_seconds: 10 };
    const running = await engineServedBy(t, server, {
      ...{ signing_keys: [signer.key], fetch: fetchSettings, clock: systemClock() },
    });
    await running.engine.open();
    const opa = await opaOn(t, server.url, signer);
    const both = (mark: string) =>
      until(
        async () =>
          markOf(running) === mark &&
          running.engine.active.revision === mark &&
          (await opa.revision()) === mark &&
          (await opa.mark()) === mark,
        () => `gateway: ${markOf(running)} ${running.engine.lastError}; OPA: ${opa.said()}`,
      );
    await both('a');
    await until(
      async () => server.held === 2,
      () => `${server.held} requests are held, expected one of each`,
    );
    server.put(...(await release(t, 'b', signer)));
    await both('b');

    server.put(...(await release(t, 'forged', signerFor('ES256', 'team'))));
    await until(
      async () =>
        /it was not made with team/.test(running.engine.lastError ?? '') &&
        /could not verify|signature/.test(opa.said()),
      () => `neither may take it: ${running.engine.lastError}; ${opa.said()}`,
    );
    await both('b');

    await server.leave();
    await until(
      async () => /cannot be asked/.test(running.engine.lastError ?? ''),
      () => String(running.engine.lastError),
    );
    await both('b');
    await server.come();
    server.put(...(await release(t, 'c', signer)));
    await both('c');
  },
);
