/**
 * Keys in files of the gate's own directory, one key a file: `task.json` is the first of its purpose, those of later
 * rotations are named by their print. They never leave this gateway. The directory is read again at every look, so a
 * key file that an operator takes away is gone within half a minute.
 */
import type { webcrypto } from 'node:crypto';
import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import {
  createKeyFile,
  destroyKeyFile,
  KeyFileFault,
  openKeyDirectory,
  readKeyFile,
  replaceKeyFile,
} from '../key-file.ts';
import { holdKey, makeKey, type StoredKey } from '../key-pair.ts';
import { isKeyPurpose, type KeyPurpose } from '../key-purpose.ts';
import { type Keeper, type KeptKey, type Making, mayMake } from './keeper.ts';

export interface FilesKeeperOptions {
  readonly dataDir: string;
  /** The prefix of every kid. */
  readonly gatewayId: string;
  readonly clock: Clock;
}

interface KeyOfFile {
  readonly path: string;
  readonly stored: StoredKey;
  readonly kept: KeptKey;
}

const nameForm = /^([a-z]+)(?:\.[A-Za-z0-9_-]{16})?\.json$/;
const unfinishedForm = /\.[0-9a-f]{16}\.new$/;
/** A file that was not finished for so long never will be: its writer is gone. */
const unfinishedMs = 600_000;
/** Files beyond this are not a directory of keys. */
const filesMax = 64;

export class FilesKeeper implements Keeper {
  readonly fixed = null;
  readonly #options: FilesKeeperOptions;
  #files: readonly KeyOfFile[] = [];

  constructor(options: FilesKeeperOptions) {
    this.#options = options;
  }

  /** Throws KeyFileFault if others could enter the directory. */
  async open(): Promise<void> {
    await openKeyDirectory(this.#directory);
    await this.#sweep();
  }

  /** Throws KeyFileFault for a file that others may read, or that holds no key of this gateway. */
  async read(): Promise<readonly KeptKey[]> {
    const files: KeyOfFile[] = [];
    for (const [name, purpose] of await this.#names()) {
      const path = join(this.#directory, name);
      const stored = await readKeyFile(path);
      if (stored !== undefined) files.push({ path, stored, kept: this.#hold(path, purpose, stored) });
    }
    this.#files = files.toSorted((left, right) => left.stored.created_at_ms - right.stored.created_at_ms);
    return this.#files.map(({ kept }) => kept);
  }

  async make(making: Making): Promise<string | undefined> {
    const { clock, gatewayId } = this.#options;
    const nowMs = clock.nowMs();
    if (!mayMake(await this.read(), making, nowMs)) return undefined;
    const { purpose, place, notBeforeMs } = making;
    const stored = await makeKey(purpose, gatewayId, { createdAtMs: nowMs, notBeforeMs });
    const print = place === 'first' ? '' : `${stored.kid.slice(stored.kid.lastIndexOf('.'))}`;
    const path = join(this.#directory, `${purpose}${print}.json`);
    await createKeyFile(path, this.#temporary(path), stored);
    // Read back in any case: another process may have been first, and its key is the key.
    const standing = await readKeyFile(path);
    if (standing === undefined) throw new KeyFileFault(`${path} went away while the gate made it`);
    return standing.kid === stored.kid ? stored.kid : undefined;
  }

  async schedule(kid: string, notBeforeMs: number): Promise<void> {
    const file = this.#find(kid) ?? (await this.#lookFor(kid));
    if (file === undefined || file.kept.notBeforeMs !== null) return;
    await replaceKeyFile(file.path, this.#temporary(file.path), { ...file.stored, not_before_ms: notBeforeMs });
  }

  async drop(kids: readonly string[]): Promise<void> {
    for (const kid of kids) {
      const file = this.#find(kid);
      if (file !== undefined) await destroyKeyFile(file.path);
    }
  }

  healthy(): boolean {
    return true;
  }

  /** The private half of a key that was read: the audit trail signs in a thread of its own. */
  privateJwk(kid: string): webcrypto.JsonWebKey | undefined {
    return this.#find(kid)?.stored.private_jwk;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#files = [];
  }

  get #directory(): string {
    return join(this.#options.dataDir, 'keys');
  }

  #temporary(path: string): string {
    return `${path}.${this.#options.clock.randomBytes(8).toString('hex')}.new`;
  }

  #find(kid: string): KeyOfFile | undefined {
    return this.#files.find(({ kept }) => kept.kid === kid);
  }

  async #lookFor(kid: string): Promise<KeyOfFile | undefined> {
    await this.read();
    return this.#find(kid);
  }

  async #names(): Promise<readonly (readonly [string, KeyPurpose])[]> {
    const names = await readdir(this.#directory);
    const keys = names.flatMap((name) => {
      const purpose = nameForm.exec(name)?.[1];
      return isKeyPurpose(purpose) ? [[name, purpose] as const] : [];
    });
    if (keys.length > filesMax) throw new KeyFileFault(`${this.#directory} holds more than ${filesMax} keys`);
    return keys.toSorted();
  }

  /** Key files that a crash left unfinished hold a private key that nobody uses. */
  async #sweep(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (!unfinishedForm.test(name)) continue;
      const path = join(this.#directory, name);
      // Its writer may just have finished it, or another process swept it.
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || this.#options.clock.nowMs() - found.mtimeMs < unfinishedMs) continue;
      await unlink(path).catch(() => undefined);
    }
  }

  #hold(path: string, purpose: KeyPurpose, stored: StoredKey): KeptKey {
    const { gatewayId } = this.#options;
    if (!stored.kid.startsWith(`${gatewayId}.${purpose}.`)) {
      throw new KeyFileFault(
        `${path} is not the ${purpose} key of gateway "${gatewayId}"; ` +
          'a gateway needs a data_dir of its own, or move the file away and a new key is made',
      );
    }
    // What has not changed is not read into OpenSSL again.
    const known = this.#files.find((file) => file.path === path);
    if (known !== undefined && JSON.stringify(known.stored) === JSON.stringify(stored)) return known.kept;
    try {
      return holdKey(purpose, stored, path);
    } catch (error) {
      throw new KeyFileFault((error as Error).message);
    }
  }
}
