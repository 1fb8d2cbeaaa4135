/**
 * The example world in a container of its own: issuers, model, services. It leaves in /run/world, for gates that mount
 * it read-only, the values that `npm start` would set in the environment, and the example's tollgate.yaml with what is
 * different in containers: Redis, traces, listeners for everybody. The keys are made at each start and lie nowhere else.
 */
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { World } from '../../examples/return-exceptions/world/world.ts';
import { portsFile, relay } from './relay.ts';

const example = resolve(import.meta.dirname, '../../examples/return-exceptions');

/** What containers set in the environment of each gate; all other values are files of the world. */
const ownValues = ['GATEWAY_ID', 'ADMIN_PORT'];

/** The value that all gates seal with what they keep in the store. */
const storeSecret = 'STORE_SECRET';

/** The example's configuration as the gates of docker-compose.yml take it. `directory` holds one file a value. */
export function containerConfig(text: string, directory: string): string {
  const config = parse(text) as Record<string, Record<string, unknown>>;
  const { listen: _listen, admin: _admin, ...gateway } = config.gateway ?? {};
  const changed = {
    ...config,
    gateway: {
      ...gateway,
      id: `\${env:GATEWAY_ID}`,
      listen: '0.0.0.0:8080',
      // The port by which people reach it on the host: the admin plane answers to its own addresses alone.
      admin: `0.0.0.0:\${env:ADMIN_PORT}`,
      // One name for all gates: a task token of one is good at every other.
      public_url: 'http://gate:8080',
      data_dir: '/data',
    },
    policy: { ...config.policy, bundle: '/app/policies' },
    store: { kind: 'redis', url: 'redis://redis:6379' },
    // Without it a shared store keeps no checkpoints, no first answers of repeated writes and no pages of results.
    keys: { ...config.keys, secret: `\${env:${storeSecret}}` },
    telemetry: { ...config.telemetry, log: 'info', otlp: { url: 'http://jaeger:4318' } },
  };
  return stringify(changed).replaceAll(/\$\{env:([A-Z0-9_]+)\}/g, (whole, name: string) =>
    ownValues.includes(name) ? whole : `\${file:${join(directory, 'values', name)}}`,
  );
}

/** Leaves everything in `directory`; tollgate.yaml comes last, and whole, because gates start once it is there. */
export function leave(world: World, directory: string): void {
  const values = join(directory, 'values');
  rmSync(values, { recursive: true, force: true });
  mkdirSync(values, { recursive: true });
  const given = { ...world.env(), [storeSecret]: randomBytes(32).toString('hex') };
  for (const [name, value] of Object.entries(given)) writeFileSync(join(values, name), value, { mode: 0o400 });
  const { tokenEndpoint, clientId, clientSecret } = world.issuers.azure.workload('coordinator');
  const agent = { TOKEN_ENDPOINT: tokenEndpoint, CLIENT_ID: clientId, CLIENT_SECRET: clientSecret };
  const lines = Object.entries(agent).map(([name, value]) => `${name}=${value}\n`);
  rmSync(join(directory, 'coordinator.env'), { force: true });
  writeFileSync(join(directory, 'coordinator.env'), lines.join(''), { mode: 0o400 });
  cpSync(join(example, 'openapi'), join(directory, 'openapi'), { recursive: true });
  const written = join(directory, '.tollgate.yaml');
  writeFileSync(written, containerConfig(readFileSync(join(example, 'tollgate.yaml'), 'utf8'), directory));
  renameSync(written, join(directory, 'tollgate.yaml'));
}

function ports(world: World): number[] {
  return world.directory().map(([, url]) => Number(new URL(url).port));
}

async function main(directory: string, gateUrl: string): Promise<void> {
  const stop = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.resolve());
  await using world = new World();
  await world.open();
  world.trustGate(gateUrl);
  writeFileSync(portsFile, JSON.stringify(ports(world)));
  // Not 0.0.0.0: the programs themselves hold these ports on loopback.
  const outside = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
  );
  await using relays = new AsyncDisposableStack();
  for (const address of outside) {
    for (const server of await relay(ports(world), address, '127.0.0.1')) relays.defer(() => void server.close());
  }
  leave(world, directory);
  for (const [name, url, what] of world.directory())
    process.stdout.write(`${name.padEnd(9)} ${url.padEnd(26)} ${what}\n`);
  await stop.promise;
  rmSync(join(directory, 'tollgate.yaml'), { force: true });
}

if (import.meta.main) {
  await main('/run/world', process.env.GATE_URL ?? 'http://gate:8080');
  // Connections that idle agents keep would hold the program for a while.
  process.exit();
}
