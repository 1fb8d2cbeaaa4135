/** Where the admin plane of a configuration is, and which token it lays down beside its keys. */
import { faultLine, loadConfig } from '../config/load.ts';
import { adminTokenFile } from '../server/admin-token.ts';
import { hostAndPort } from '../server/section.ts';
import { type Surroundings, Usage } from './command.ts';

export interface AdminAddress {
  readonly url: URL;
  /** Null where people sign in by OIDC: the token beside the keys opens nothing then. */
  readonly tokenFile: string | null;
}

/** Throws the faults of the configuration, and `Usage` where it does not say the port. */
export async function adminAddress(file: string, env: Surroundings['env']): Promise<AdminAddress> {
  const loaded = await loadConfig(file, env);
  if ('faults' in loaded) throw new Error(loaded.faults.map(faultLine).join('\n'));
  const { gateway, admin } = loaded.config;
  const { host, port } = hostAndPort(gateway.admin);
  if (port === 0) throw new Usage(`${file} leaves the port of gateway.admin open; name the address with --admin-url`);
  const url = addressOf(gateway.admin_tls === undefined ? 'http' : 'https', host, port);
  return { url, tokenFile: admin === undefined ? adminTokenFile(gateway.data_dir) : null };
}

/** Where agents reach the gate of a configuration. Throws as `adminAddress` does. */
export async function dataAddress(file: string, env: Surroundings['env']): Promise<URL> {
  const loaded = await loadConfig(file, env);
  if ('faults' in loaded) throw new Error(loaded.faults.map(faultLine).join('\n'));
  const { gateway } = loaded.config;
  const { host, port } = hostAndPort(gateway.listen);
  if (port === 0) throw new Usage(`${file} leaves the port of gateway.listen open; name the address with --url`);
  return addressOf(gateway.tls === undefined ? 'http' : 'https', host, port);
}

function addressOf(scheme: string, host: string, port: number): URL {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return new URL(`${scheme}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`);
}
