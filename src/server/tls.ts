/** TLS of a listener, from its section and the files that it names; HTTP/1.1 is the only protocol offered. */
import type { SecureContextOptions } from 'node:tls';
import type { TlsConfig, TlsFiles } from './section.ts';

/** A `tls` section with its files read. */
export interface Tls {
  readonly config: TlsConfig;
  readonly files: TlsFiles;
}

/** What a reload can put in place: certificate, key, authorities, lowest version. */
export function secureContextOf({ config, files }: Tls): SecureContextOptions {
  return {
    cert: files.cert,
    key: files.key,
    minVersion: config.min_version,
    // Without client authorities of its own Node would vouch for clients by the public ones.
    ...(files.clientCa === null ? {} : { ca: files.clientCa }),
  };
}
