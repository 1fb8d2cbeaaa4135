/** docker-compose.yml without an engine: its structure, its hardening, and the world's side of it carried out. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse } from 'yaml';
import { relay } from '../../deploy/container/relay.ts';
import { leave } from '../../deploy/container/world.ts';
import { World } from '../../examples/return-exceptions/world/world.ts';
import { checkConfig } from '../../src/main.ts';
import { part, partPath } from '../parts.ts';
import { root, stage, values } from './dockerfile.ts';
import { freePort } from './free-port.ts';

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target: string };
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly cap_add?: string[];
  readonly cap_drop?: string[];
  readonly security_opt?: string[];
  readonly user?: string;
  readonly mem_limit?: string;
  readonly ports?: string[];
  readonly volumes?: string[];
  readonly networks?: string[] | Record<string, unknown>;
  readonly network_mode?: string;
  readonly depends_on?: Record<string, { readonly condition: string }>;
  readonly healthcheck?: { readonly disable?: boolean };
  readonly environment?: Record<string, string>;
}

interface Compose {
  readonly services: Record<string, Service>;
  readonly networks: Record<string, { readonly internal?: boolean }>;
  readonly volumes: Record<string, unknown>;
}

const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const networksOf = ({ networks = [] }: Service) => (Array.isArray(networks) ? networks : Object.keys(networks));

describe('docker-compose.yml', () => {
  it('holds two gates, Redis, Jaeger and the world', () => {
    const names = Object.keys(compose.services);
    for (const name of ['gate-a', 'gate-b', 'redis', 'jaeger', 'world']) assert.ok(names.includes(name), name);
    assert.notEqual(
      compose.services['gate-a']?.environment?.GATEWAY_ID,
      compose.services['gate-b']?.environment?.GATEWAY_ID,
    );
  });

  for (const [name, service] of services) {
    it(`${name} has a pinned image, no rights, bounded memory, and a root that is read-only`, () => {
      assert.match(service.image, /^[a-z0-9./-]+:\d+\.\d+\.\d+[a-z0-9.-]*$/);
      assert.equal(service.read_only, true);
      assert.deepEqual(service.cap_drop, ['ALL']);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true']);
      assert.ok(service.privileged === undefined && service.cap_add === undefined);
      assert.match(service.mem_limit ?? '', /^\d+[mg]$/);
      // Our own images name their user themselves.
      if (!service.image.startsWith('tollgate')) assert.match(service.user ?? '', /^[1-9]\d*:[1-9]\d*$/);
    });

    it(`${name} names only what there is, and listens on loopback only`, () => {
      for (const one of networksOf(service)) assert.ok(one in compose.networks, one);
      for (const mount of service.volumes ?? []) assert.ok((mount.split(':')[0] ?? '') in compose.volumes, mount);
      for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/);
      const others = [...Object.keys(service.depends_on ?? {}), service.network_mode?.replace('service:', '')];
      for (const other of others) assert.ok(other === undefined || other in compose.services, String(other));
      if (service.build !== undefined) {
        assert.ok(existsSync(join(root, service.build.context, service.build.dockerfile)));
        assert.equal(stage(service.build.target).name, service.build.target);
      }
    });
  }

  it('publishes each admin plane under the port it listens on, as it refuses other Host headers', () => {
    for (const name of ['gate-a', 'gate-b']) {
      const { environment = {}, ports = [] } = compose.services[name] as Service;
      assert.ok(ports.includes(`127.0.0.1:${environment.ADMIN_PORT}:${environment.ADMIN_PORT}`), name);
    }
  });

  it('waits for what can say that it is well', () => {
    for (const [name, { depends_on = {} }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        if (condition !== 'service_healthy') continue;
        const { image, build, healthcheck } = compose.services[other] as Service;
        const own = build !== undefined && values(stage(build.target), 'HEALTHCHECK').length > 0;
        assert.ok(healthcheck?.disable !== true && (own || healthcheck !== undefined), `${name} → ${other} (${image})`);
      }
    }
  });

  it('keeps Redis off the network of the host', () => {
    assert.equal(compose.networks.inside?.internal, true);
    assert.deepEqual(networksOf(compose.services.redis as Service), ['inside']);
    assert.equal(compose.services.redis?.ports, undefined);
  });

  it('is what the compose client reads too', part('docker-compose'), () => {
    const client = partPath('docker-compose') ?? '';
    const { status, stderr } = spawnSync(client, ['-f', join(root, 'docker-compose.yml'), 'config', '-q'], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  });

  it('gives its gates the configuration of the example, on Redis, with traces, and good', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tollgate-compose-'));
    after(() => rmSync(folder, { recursive: true, force: true }));
    await using world = new World();
    await world.open();
    leave(world, folder);
    leave(world, folder); // a world that starts again finds what it left
    const config = parse(readFileSync(join(folder, 'tollgate.yaml'), 'utf8')) as Record<
      string,
      Record<string, unknown>
    >;
    assert.deepEqual(config.store, { kind: 'redis', url: 'redis://redis:6379' });
    assert.equal(config.keys?.secret, `\${file:${join(folder, 'values/STORE_SECRET')}}`);
    assert.deepEqual(config.telemetry?.otlp, { url: 'http://jaeger:4318' });
    const example = readFileSync(join(root, 'examples/return-exceptions/tollgate.yaml'), 'utf8');
    const original = parse(example) as Record<string, unknown>;
    const names = (of: unknown) => (of as { name: string }[]).map(({ name }) => name);
    assert.deepEqual([names(config.routes), names(config.issuers)], [names(original.routes), names(original.issuers)]);
    const checked = await checkConfig(join(folder, 'tollgate.yaml'), { GATEWAY_ID: 'gate-a', ADMIN_PORT: '8081' });
    assert.ok(!('faults' in checked), JSON.stringify(checked));
    for (const value of Object.values(world.env()).filter((one) => !one.startsWith('http://'))) {
      assert.ok(!readFileSync(join(folder, 'tollgate.yaml'), 'utf8').includes(value), 'a key stands in tollgate.yaml');
    }
  });

  it('carries connections from a loopback to the world', async () => {
    const server = createServer((_request, response) => response.end('from the world'));
    const port = await freePort();
    await new Promise<void>((settle) => server.listen(port, '127.0.0.1', settle));
    const relays = await relay([port], '127.0.0.2', '127.0.0.1');
    after(() => [server, ...relays].map((one) => one.close()));
    const answer = await fetch(`http://127.0.0.2:${port}/`, { headers: { connection: 'close' } });
    assert.equal(await answer.text(), 'from the world');
  });
});
