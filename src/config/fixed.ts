/**
 * What of a configuration cannot change while the gate runs: where it listens and lives, what it is called in tokens
 * and in the audit trail, and the parts that are opened once. A changed file keeps the running values of these.
 */
import type { Config } from './schema.ts';

type Gateway = Config['gateway'];

const fixedOfGateway = ['id', 'cloud', 'region', 'trust_domain', 'listen', 'admin', 'public_url', 'data_dir'] as const;
const fixedSections = ['keys', 'store', 'audit', 'telemetry'] as const;

/** `next` as far as it can be put in force beside `running`, and JSON pointers of what needs a restart. */
export function withoutRestart(running: Config, next: Config): { readonly config: Config; readonly restart: string[] } {
  const restart: string[] = [];
  const kept = <T>(pointer: string, was: T, wanted: T): T => {
    if (!same(was, wanted)) restart.push(pointer);
    return was;
  };
  for (const name of fixedOfGateway) kept(`/gateway/${name}`, running.gateway[name], next.gateway[name]);
  const gateway: Gateway = { ...running.gateway, admin_hosts: next.gateway.admin_hosts };
  for (const name of ['tls', 'admin_tls'] as const) {
    const was = running.gateway[name];
    const wanted = next.gateway[name];
    // Files and versions can follow; whether there is TLS, and who must show a certificate, is the listener's.
    if (was !== undefined && wanted?.client === was.client) gateway[name] = wanted;
    else kept(`/gateway/${name}`, was, wanted);
  }
  const sections = Object.fromEntries(
    fixedSections.map((name) => [name, kept<unknown>(`/${name}`, running[name], next[name])]),
  );
  const limits = {
    ...next.limits,
    header_bytes: kept('/limits/header_bytes', running.limits.header_bytes, next.limits.header_bytes),
    store_lost_ms: kept('/limits/store_lost_ms', running.limits.store_lost_ms, next.limits.store_lost_ms),
  };
  const config = { ...next, ...sections, gateway, limits };
  return { config, restart };
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
