/**
 * Whether an answer that was taken down is one to give again: read once more as its client read it, it comes to its end
 * without an error in it. A status of 200 does not say so; a stream has its head long before it fails.
 */
import type { OperationFact } from '../call.ts';
import { objectOf } from '../wire/json-value.ts';
import type { Recorded } from '../wire/recording.ts';

type Payload = OperationFact['resolved']['payload'];

/** Never rejects: what cannot be read is not whole. */
export async function isWholeAnswer(payload: Payload, { head, body, target }: Recorded): Promise<boolean> {
  try {
    if (isStream(payload, head)) {
      const reasons: string[] = [];
      for await (const { events } of payload.readStream(head, once(body), target)) {
        for (const event of events) if (event.type === 'end') reasons.push(event.reason);
      }
      return reasons.length > 0 && !reasons.includes('error');
    }
    const answer = payload.readAnswer(head, body, target);
    return answer.usage !== null && (objectOf(answer.body).error ?? null) === null;
  } catch {
    return false;
  }
}

/** `bytes` as a body that is read. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function isStream(payload: Pick<Payload, 'stream'>, { headers }: Recorded['head']): boolean {
  return payload.stream && (headers['content-type'] ?? '').startsWith('text/event-stream');
}
