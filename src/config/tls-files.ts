/**
 * The files that the `tls` sections name: read and tried when the configuration is loaded, so that a key which does
 * not fit its certificate is a fault with a line, and not the end of a running gate's handshakes.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { GatewayConfig, TlsConfig, TlsFiles } from '../server/section.ts';

/** Files of the data plane and of the admin plane; null for plain HTTP. */
export interface TlsOfConfig {
  readonly data: TlsFiles | null;
  readonly admin: TlsFiles | null;
}

const fileBytesMax = 1_048_576;

/** The section with the paths of its certificates made absolute. */
export function absoluteTls(gateway: GatewayConfig, absolute: (path: string) => string): GatewayConfig {
  const moved = (tls: TlsConfig): TlsConfig => ({
    ...tls,
    cert: absolute(tls.cert),
    key: absolute(tls.key),
    ...(tls.client_ca === undefined ? {} : { client_ca: absolute(tls.client_ca) }),
  });
  const { tls, admin_tls, ...rest } = gateway;
  return {
    ...rest,
    ...(tls === undefined ? {} : { tls: moved(tls) }),
    ...(admin_tls === undefined ? {} : { admin_tls: moved(admin_tls) }),
  };
}

/** Reads the files of both planes; what is wrong goes to `fault`, what was looked at to `files`. */
export async function readTls(
  gateway: GatewayConfig,
  files: string[],
  fault: (pointer: string, message: string) => void,
): Promise<TlsOfConfig> {
  const plane = (name: 'tls' | 'admin_tls') =>
    readPlane(gateway[name], files, (key, message) => fault(`/gateway/${name}${key}`, message));
  return { data: await plane('tls'), admin: await plane('admin_tls') };
}

async function readPlane(
  config: TlsConfig | undefined,
  files: string[],
  fault: (key: string, message: string) => void,
): Promise<TlsFiles | null> {
  if (config === undefined) return null;
  const read = async (key: 'cert' | 'key' | 'client_ca', path: string): Promise<Buffer | undefined> => {
    files.push(path);
    try {
      const content = await readFile(path);
      if (content.length > fileBytesMax) throw new Error(`it is larger than ${fileBytesMax} bytes`);
      if (key !== 'key') new X509Certificate(content);
      return content;
    } catch (error) {
      fault(`/${key}`, `the file ${path} cannot be used: ${(error as Error).message}`);
      return undefined;
    }
  };
  const cert = await read('cert', config.cert);
  const key = await read('key', config.key);
  const clientCa = config.client_ca === undefined ? null : await read('client_ca', config.client_ca);
  if (cert === undefined || key === undefined || clientCa === undefined) return null;
  try {
    createSecureContext({ cert, key, minVersion: config.min_version, ...(clientCa === null ? {} : { ca: clientCa }) });
    return { cert, key, clientCa };
  } catch (error) {
    fault('', `certificate and key cannot be used together: ${(error as Error).message}`);
    return null;
  }
}
