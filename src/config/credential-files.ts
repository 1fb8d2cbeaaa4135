/**
 * The files that credentials of kind `mtls` name: read and tried when the configuration is loaded, as those of the
 * `tls` sections are, so that a key which does not fit its certificate is a fault with a line and no call's failure.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { CredentialsConfig, TlsIdentity } from '../upstream/section.ts';

const fileBytesMax = 1_048_576;

/** The section with the paths of its certificates made absolute. */
export function absoluteCredentials(
  credentials: CredentialsConfig,
  absolute: (path: string) => string,
): CredentialsConfig {
  const moved = Object.entries(credentials).map(([name, credential]) => {
    if (credential.kind !== 'mtls') return [name, credential];
    const { cert, key, ca } = credential;
    const paths = { cert: absolute(cert), key: absolute(key), ...(ca === undefined ? {} : { ca: absolute(ca) }) };
    return [name, { ...credential, ...paths }];
  });
  return Object.fromEntries(moved) as CredentialsConfig;
}

/** Reads the files by the names of their credentials; what is wrong goes to `fault`, what was looked at to `files`. */
export async function readIdentities(
  credentials: CredentialsConfig,
  files: string[],
  fault: (pointer: string, message: string) => void,
): Promise<Record<string, TlsIdentity>> {
  const identities: Record<string, TlsIdentity> = {};
  for (const [name, credential] of Object.entries(credentials)) {
    if (credential.kind !== 'mtls') continue;
    const at = `/credentials/${name}`;
    const read = async (member: 'cert' | 'key' | 'ca', path: string): Promise<string | undefined> => {
      files.push(path);
      try {
        const content = await readFile(path);
        if (content.length > fileBytesMax) throw new Error(`it is larger than ${fileBytesMax} bytes`);
        if (member !== 'key') new X509Certificate(content);
        return content.toString('latin1');
      } catch (error) {
        fault(`${at}/${member}`, `the file ${path} cannot be used: ${(error as Error).message}`);
        return undefined;
      }
    };
    const cert = await read('cert', credential.cert);
    const key = await read('key', credential.key);
    const ca = credential.ca === undefined ? null : await read('ca', credential.ca);
    if (cert === undefined || key === undefined || ca === undefined) continue;
    const identity = { cert, key, ...(ca === null ? {} : { ca }) };
    try {
      createSecureContext(identity);
      identities[name] = identity;
    } catch (error) {
      fault(at, `certificate and key cannot be used together: ${(error as Error).message}`);
    }
  }
  return identities;
}
