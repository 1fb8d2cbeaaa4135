/**
 * Proves that a trail is whole: every event hashes to what it carries and follows the one before it, and the end is
 * what the gate signed. What a reader would get wrong: whoever owns the gate's disk also owns its key, and can rebuild
 * and re-sign a trail that is consistent in itself; only a checkpoint that the auditor kept elsewhere shows that.
 * Pure: no file, no clock, no network, so that an outsider can run it over what they were given.
 */
import { genesisHash, hashOf } from './chain.ts';
import { type Checkpoint, type Jwks, openCheckpoint } from './checkpoint.ts';
import { type AuditEvent, eventFields, rareEventFields } from './event.ts';

export interface VerifyInput {
  /** The whole trail, from its first event, oldest first. */
  readonly events: AsyncIterable<AuditEvent> | Iterable<AuditEvent>;
  /** The signed head that came with the trail. */
  readonly head?: string;
  /** Signed checkpoints that came with the trail. */
  readonly checkpoints?: readonly string[];
  /** Whose signatures count. */
  readonly keys: Jwks;
  /** A checkpoint that the auditor kept, apart from the trail. */
  readonly heldCheckpoint?: string;
}

export type Verdict =
  | {
      readonly ok: true;
      /** Number and hash of the last event; 0 and zeros for an empty trail. */
      readonly seq: number;
      readonly hash: string;
      /** The last event that a signature vouches for; null if nothing was signed. */
      readonly signedSeq: number | null;
      /** The last event that the held checkpoint vouches for; null if none was given. */
      readonly heldSeq: number | null;
      /** Calls that had no outcome yet when the trail was read. */
      readonly openIntents: number;
    }
  /** `seq` is the first bad event; null where no single event is to blame. */
  | { readonly ok: false; readonly seq: number | null; readonly reason: string };

class Broken extends Error {
  readonly seq: number | null;

  constructor(seq: number | null, reason: string) {
    super(reason);
    this.seq = seq;
  }
}

/** What was signed of one event, and by which paper. */
interface Signed {
  readonly paper: string;
  readonly checkpoint: Checkpoint;
}

function signedOf(input: VerifyInput): Signed[] {
  const papers: [string, string][] = [];
  if (input.heldCheckpoint !== undefined) papers.push(['the held checkpoint', input.heldCheckpoint]);
  if (input.head !== undefined) papers.push(['the signed head', input.head]);
  for (const jws of input.checkpoints ?? []) papers.push(['a checkpoint of the trail', jws]);
  return papers.map(([paper, jws]) => {
    const checkpoint = openCheckpoint(jws, input.keys);
    if ('fault' in checkpoint) throw new Broken(null, `${paper} ${checkpoint.fault}`);
    return { paper, checkpoint };
  });
}

/** Checks events one by one; what it knows of the trail is its end, and the calls that still run. */
class Walk {
  seq = 0;
  hash = genesisHash;
  readonly openIntents = new Map<string, string>();
  readonly #signed: ReadonlyMap<number, readonly Signed[]>;

  constructor(signed: readonly Signed[]) {
    this.#signed = Map.groupBy(signed, ({ checkpoint }) => checkpoint.seq);
    this.#checkSigned(null);
  }

  step(event: AuditEvent): void {
    const position = this.seq + 1;
    checkShape(event, position);
    // A gap in the numbers is a missing event; a wrong number within an event is a changed one, and hashes wrongly.
    if (hashOrNone(event) !== event.hash)
      throw new Broken(position, `event ${position} was changed: its hash does not fit`);
    if (event.seq !== position) {
      const what = event.seq > position ? 'is missing' : 'is out of order';
      throw new Broken(position, `event ${position} ${what}: event ${event.seq} stands in its place`);
    }
    if (event.prev_hash !== this.hash) {
      throw new Broken(position, `event ${position} does not follow the one before it`);
    }
    this.#bind(event);
    this.seq = position;
    this.hash = event.hash;
    this.#checkSigned(event);
  }

  #bind(event: AuditEvent): void {
    const { type, call, intent_hash, seq } = event;
    const open = call === null ? undefined : this.openIntents.get(call);
    if (type === 'intent') {
      if (call === null || open !== undefined) throw new Broken(seq, `event ${seq} is a second intent of one call`);
      this.openIntents.set(call, event.hash);
    } else if (type === 'outcome' || type === 'interrupted') {
      if (call === null || open === undefined || open !== intent_hash) {
        throw new Broken(seq, `event ${seq} is the outcome of an intent that is not there`);
      }
      this.openIntents.delete(call);
    } else if (intent_hash !== null) {
      throw new Broken(seq, `event ${seq} carries the hash of an intent and is no outcome`);
    }
  }

  #checkSigned(event: AuditEvent | null): void {
    for (const { paper, checkpoint } of this.#signed.get(this.seq) ?? []) {
      if (checkpoint.hash !== this.hash) {
        throw new Broken(this.seq, `event ${this.seq} is not the one that ${paper} signs: the trail was rebuilt`);
      }
      if (event !== null && checkpoint.origin !== event.gateway) {
        throw new Broken(this.seq, `${paper} is of gateway ${checkpoint.origin}, the trail of ${event.gateway}`);
      }
    }
  }

  end(): void {
    for (const { paper, checkpoint } of [...this.#signed.values()].flat()) {
      if (checkpoint.seq <= this.seq) continue;
      const missing = this.seq + 1;
      throw new Broken(
        missing,
        `event ${missing} is missing: ${paper} signs event ${checkpoint.seq}, the trail ends before it`,
      );
    }
  }
}

function checkShape(event: AuditEvent, position: number): void {
  const members = typeof event === 'object' && event !== null ? Object.keys(event) : [];
  const rare: readonly string[] = rareEventFields;
  const always = members.filter((member) => !rare.includes(member));
  if (always.length !== eventFields.length || !eventFields.every((field) => Object.hasOwn(event, field))) {
    throw new Broken(position, `event ${position} does not have the members of an event`);
  }
  if (event.v !== 1)
    throw new Broken(position, `event ${position} is of version ${String(event.v)}, which is not known here`);
}

// What has no canonical form has no hash: half a surrogate pair, say, that somebody wrote into an export.
function hashOrNone(event: AuditEvent): string | undefined {
  try {
    return hashOf(event);
  } catch {
    return undefined;
  }
}

/**
 * Walks the trail to its end or to the first bad event, and says which it is. A trail may have events behind its last
 * signature (they were committed, and the gate stopped before it signed); `signedSeq` says how far signatures reach.
 */
export async function verifyTrail(input: VerifyInput): Promise<Verdict> {
  try {
    const papers = signedOf(input);
    const walk = new Walk(papers);
    for await (const event of input.events) walk.step(event);
    walk.end();
    const seqs = papers.map(({ checkpoint }) => checkpoint.seq);
    const held = papers.find(({ paper }) => paper === 'the held checkpoint');
    return {
      ok: true,
      seq: walk.seq,
      hash: walk.hash,
      signedSeq: seqs.length === 0 ? null : Math.max(...seqs),
      heldSeq: held?.checkpoint.seq ?? null,
      openIntents: walk.openIntents.size,
    };
  } catch (error) {
    if (error instanceof Broken) return { ok: false, seq: error.seq, reason: error.message };
    throw error;
  }
}

/** For readers of stored events: what they found wrong before an event could even be parsed. */
export function brokenAt(seq: number | null, reason: string): Error {
  return new Broken(seq, reason);
}
