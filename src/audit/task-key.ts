/**
 * Each task has a random key of its own in the trail. Under it stand its commitments (HMAC-SHA256) and its payloads
 * (AES-256-GCM); to destroy the key is to erase both, while the chain, which only holds the commitments, still
 * verifies. A plain hash would not do: that of a card number is reversed in seconds.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

export const taskKeyBytes = 32;
export const nonceBytes = 12;
const tagBytes = 16;

export const payloadKinds = ['policy_input', 'arguments', 'entry', 'thought', 'answer', 'answer_input'] as const;
export type PayloadKind = (typeof payloadKinds)[number];

/** A payload as it is handed to the trail: redacted already, within the bound, and marked if it was cut. */
export interface Payload {
  readonly kind: PayloadKind;
  /** JSON text; not whole where `truncated`. */
  readonly text: string;
  readonly truncated: boolean;
}

// One key, two uses: neither tells anything about the other (RFC 5869 §3.2).
function derive(taskKey: Uint8Array, use: 'commitment' | 'payload'): Buffer {
  return Buffer.from(hkdfSync('sha256', taskKey, new Uint8Array(0), `tollgate audit ${use}`, taskKeyBytes));
}

/** Commits to a JCS text under the task's key; lower-case hex. */
export function commitment(taskKey: Uint8Array, text: string): string {
  return new TaskSeal(taskKey).commitment(text);
}

// Binds a ciphertext to its place, so that payloads cannot be exchanged between events.
function place(eventId: string, kind: PayloadKind): Buffer {
  return Buffer.from(`${eventId} ${kind}`);
}

/** A task's key at work for one event: what is derived of it is derived once, which is most of what it costs. */
export class TaskSeal {
  readonly #taskKey: Uint8Array;
  readonly #derived = new Map<'commitment' | 'payload', Buffer>();

  constructor(taskKey: Uint8Array) {
    this.#taskKey = taskKey;
  }

  /** As `commitment`. */
  commitment(text: string): string {
    return createHmac('sha256', this.#key('commitment')).update(text, 'utf8').digest('hex');
  }

  /** Nonce, ciphertext and tag in one. A nonce serves once (NIST SP 800-38D §8). */
  payload(nonce: Uint8Array, eventId: string, { kind, text }: Pick<Payload, 'kind' | 'text'>): Buffer {
    const cipher = createCipheriv('aes-256-gcm', this.#key('payload'), nonce);
    cipher.setAAD(place(eventId, kind));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, sealed, cipher.getAuthTag()]);
  }

  #key(use: 'commitment' | 'payload'): Buffer {
    let key = this.#derived.get(use);
    if (key === undefined) {
      key = derive(this.#taskKey, use);
      this.#derived.set(use, key);
    }
    return key;
  }
}

/** The text of a sealed payload. @throws Error if it was changed, or the key is not its own. */
export function openPayload(taskKey: Uint8Array, sealed: Uint8Array, eventId: string, kind: PayloadKind): string {
  const decipher = createDecipheriv('aes-256-gcm', derive(taskKey, 'payload'), sealed.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(place(eventId, kind));
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const opened = [decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes)), decipher.final()];
  return Buffer.concat(opened).toString('utf8');
}
