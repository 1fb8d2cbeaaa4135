/**
 * What `keys.secret` is good for: sealing private keys and checkpoints that lie in the shared store (AES-256-GCM), and
 * marking what a gateway publishes there (HMAC-SHA-256). Each has a key of its own, derived by HKDF (RFC 5869), so that neither gives
 * away anything of the other.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Json } from '../call.ts';
import type { Clock } from '../clock.ts';
import { canonical } from '../wire/canonical.ts';

const ivBytes = 12;
const tagBytes = 16;
const cipher = 'aes-256-gcm';

function derive(secret: string, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'tollgate', use, 32));
}

export class KeySeal {
  readonly #key: Buffer;
  readonly #clock: Clock;

  /** `use` says what is sealed: each has a key of its own, and none opens what another has closed. */
  constructor(secret: string, clock: Clock, use = 'keys at rest in the store') {
    this.#key = derive(secret, use);
    this.#clock = clock;
  }

  /** `value` as base64url of IV, ciphertext and tag. It opens only with the same `label`. */
  close(label: string, value: Json): string {
    const iv = this.#clock.randomBytes(ivBytes);
    const sealing = createCipheriv(cipher, this.#key, iv, { authTagLength: tagBytes });
    sealing.setAAD(Buffer.from(label));
    const text = Buffer.concat([sealing.update(JSON.stringify(value), 'utf8'), sealing.final()]);
    return Buffer.concat([iv, text, sealing.getAuthTag()]).toString('base64url');
  }

  /** What was sealed; undefined if it was not sealed with this secret and label, or has been changed. Never throws. */
  open(label: string, sealed: string): Json | undefined {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length < ivBytes + tagBytes) return undefined;
    try {
      const opening = createDecipheriv(cipher, this.#key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
      opening.setAAD(Buffer.from(label));
      opening.setAuthTag(bytes.subarray(-tagBytes));
      const text = Buffer.concat([opening.update(bytes.subarray(ivBytes, -tagBytes)), opening.final()]);
      return JSON.parse(text.toString('utf8')) as Json;
    } catch {
      return undefined;
    }
  }
}

export class KeyMark {
  readonly #key: Buffer;

  constructor(secret: string) {
    this.#key = derive(secret, 'published keys of gateways');
  }

  /** The mark of a value in any of its spellings: it is made over the canonical form. */
  of(value: Json): string {
    return createHmac('sha256', this.#key).update(canonical(value)).digest('base64url');
  }

  /** Whether `mark` was made over this value with this secret. Never throws, whatever stands in the store. */
  fits(value: Json, mark: unknown): boolean {
    if (typeof mark !== 'string') return false;
    let wanted: Buffer;
    try {
      wanted = Buffer.from(this.of(value));
    } catch {
      return false;
    }
    const given = Buffer.from(mark);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}
