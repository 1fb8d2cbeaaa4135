/** Certificates for a test, made by openssl at test time: an authority, a server certificate, a client certificate. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certified {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority in a folder of its own, which `dispose` deletes. */
export class Authority implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'tollgate-ca-'));
  readonly certFile = join(this.directory, 'ca.crt');
  readonly cert: string;

  constructor(name: string) {
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    this.#openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    );
    this.cert = readFileSync(this.certFile, 'utf8');
  }

  /** A certificate for 127.0.0.1 and localhost, of a server or a client. */
  issue(name: string): Certified {
    const [keyFile, request, certFile] = ['key', 'csr', 'crt'].map((end) => join(this.directory, `${name}.${end}`)) as [
      string,
      string,
      string,
    ];
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    this.#openssl('req', ...newKey, '-keyout', keyFile, '-out', request, '-subj', `/CN=${name}`);
    const extensions = join(this.directory, 'extensions');
    writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n');
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', extensions];
    this.#openssl('x509', '-req', '-in', request, '-out', certFile, ...signed);
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.directory, stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
