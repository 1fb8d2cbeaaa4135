/**
 * The gate's own keys, one for each kind of thing it signs, so that no token of one kind passes for another. The kid
 * says which gateway and which purpose, and the purpose is checked against the key, never read from a token. Key
 * generation and ECDSA nonces come from OpenSSL, the one randomness that no Clock can own.
 */
import assert from 'node:assert';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  type webcrypto,
} from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type AlgorithmName, algorithms, signInput } from './algorithms.ts';
import { createKeyFile, KeyFileFault, openKeyDirectory, readKeyFile, type StoredKey } from './key-file.ts';

/**
 * What a key may sign, with its algorithm, and the only `typ` it signs. `federation` is the assertion
 * that clouds exchange for their credentials: RS256, as Entra demands.
 */
export const keyPurposes = {
  task: { alg: 'ES256', typ: 'at+jwt' },
  txn: { alg: 'ES256', typ: 'txntoken+jwt' },
  federation: { alg: 'RS256', typ: 'JWT' },
  audit: { alg: 'Ed25519', typ: 'tollgate-audit+jwt' },
} as const satisfies Record<string, { alg: AlgorithmName; typ: string }>;

export type KeyPurpose = keyof typeof keyPurposes;

export interface GateKeysOptions {
  readonly dataDir: string;
  readonly gatewayId: string;
  readonly clock: Clock;
}

interface Held {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly privateJwk: webcrypto.JsonWebKey;
}

const makeKeyPair = promisify(generateKeyPair);
const gatewayIdForm = /^[A-Za-z0-9_-]{1,64}$/;

export class GateKeys implements AsyncDisposable {
  readonly #options: GateKeysOptions;
  readonly #held = new Map<KeyPurpose, Held>();

  constructor(options: GateKeysOptions) {
    this.#options = options;
  }

  /**
   * Reads the keys in `dataDir/keys`, and makes those that are not there; the federation key, which takes long, only
   * by `prepareFederation`. Throws KeyFileFault if others could read a key, or if it is another gateway's.
   */
  async open(): Promise<void> {
    assert(gatewayIdForm.test(this.#options.gatewayId), 'a gateway id has 1 to 64 letters, digits, "-" or "_"');
    await openKeyDirectory(this.#directory);
    for (const purpose of ['task', 'txn', 'audit'] as const) await this.#readOrMake(purpose);
    const federation = await readKeyFile(this.#path('federation'));
    if (federation !== undefined) this.#hold('federation', federation);
  }

  /** Makes the RSA key of federation assertions if it is not there yet: up to a second, off the event loop. */
  async prepareFederation(): Promise<void> {
    if (!this.#held.has('federation')) await this.#readOrMake('federation');
  }

  /** The public keys as a JWKS (RFC 7517), for `/.well-known/jwks.json` and for auditors. */
  jwks(): JsonObject {
    const keys = [...this.#held].map(([purpose, { kid, publicKey }]): JsonObject => {
      const { kty, crv, x, y, n, e } = publicKey.export({ format: 'jwk' });
      const members = Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined);
      return { ...(Object.fromEntries(members) as JsonObject), kid, alg: keyPurposes[purpose].alg, use: 'sig' };
    });
    return { keys };
  }

  /** A compact JWS (RFC 7515 §7.1) of `claims`. A purpose signs its own `typ` and no other. */
  sign(purpose: KeyPurpose, typ: string, claims: JsonObject): string {
    const { alg, typ: ownTyp } = keyPurposes[purpose];
    assert.equal(typ, ownTyp, `the ${purpose} key signs ${ownTyp} only`);
    const { kid, privateKey } = this.#of(purpose);
    const input = `${encode({ alg, typ, kid })}.${encode(claims)}`;
    return `${input}.${signInput(alg, privateKey, input).toString('base64url')}`;
  }

  /** The public key of that id, if it is this gateway's and made for this purpose. */
  publicKey(kid: string, purpose: KeyPurpose): KeyObject | undefined {
    const held = this.#held.get(purpose);
    return held?.kid === kid ? held.publicKey : undefined;
  }

  /** The audit key in full: the audit trail signs its heads in a thread of its own. */
  auditSigner(): { readonly kid: string; readonly privateJwk: webcrypto.JsonWebKey } {
    const { kid, privateJwk } = this.#of('audit');
    return { kid, privateJwk };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held.clear();
  }

  get #directory(): string {
    return join(this.#options.dataDir, 'keys');
  }

  #path(purpose: KeyPurpose): string {
    return join(this.#directory, `${purpose}.json`);
  }

  #of(purpose: KeyPurpose): Held {
    const held = this.#held.get(purpose);
    assert(held, `the ${purpose} key is not open`);
    return held;
  }

  async #readOrMake(purpose: KeyPurpose): Promise<void> {
    const path = this.#path(purpose);
    let stored = await readKeyFile(path);
    if (stored === undefined) {
      const temporary = `${path}.${this.#options.clock.randomBytes(8).toString('hex')}.new`;
      await createKeyFile(path, temporary, await this.#make(purpose));
      // Read back in any case: another process may have been first, and its key is the key.
      stored = await readKeyFile(path);
    }
    if (stored === undefined) throw new KeyFileFault(`${path} went away while the gate started`);
    this.#hold(purpose, stored);
  }

  async #make(purpose: KeyPurpose): Promise<StoredKey> {
    const { gatewayId, clock } = this.#options;
    const { kty } = algorithms[keyPurposes[purpose].alg];
    const pair =
      kty === 'RSA'
        ? await makeKeyPair('rsa', { modulusLength: 2048 })
        : kty === 'EC'
          ? await makeKeyPair('ec', { namedCurve: 'P-256' })
          : await makeKeyPair('ed25519');
    const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
    const print = createHash('sha256').update(spki).digest('base64url').slice(0, 16);
    const kid = `${gatewayId}.${purpose}.${print}`;
    return { v: 1, kid, created_at_ms: clock.nowMs(), private_jwk: pair.privateKey.export({ format: 'jwk' }) };
  }

  #hold(purpose: KeyPurpose, { kid, private_jwk: privateJwk }: StoredKey): void {
    const path = this.#path(purpose);
    if (!kid.startsWith(`${this.#options.gatewayId}.${purpose}.`)) {
      throw new KeyFileFault(
        `${path} is not the ${purpose} key of gateway "${this.#options.gatewayId}"; ` +
          'a gateway needs a data_dir of its own, or move the file away and a new key is made',
      );
    }
    const { kty, crv } = algorithms[keyPurposes[purpose].alg];
    if (privateJwk.kty !== kty || (crv !== null && privateJwk.crv !== crv)) {
      throw new KeyFileFault(`${path} holds a key of another kind than the ${purpose} key is`);
    }
    let privateKey: KeyObject;
    try {
      privateKey = createPrivateKey({ key: privateJwk, format: 'jwk' });
    } catch {
      throw new KeyFileFault(`${path} holds a damaged key; move it away and a new one is made`);
    }
    this.#held.set(purpose, { kid, privateKey, publicKey: createPublicKey(privateKey), privateJwk });
  }
}

function encode(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
