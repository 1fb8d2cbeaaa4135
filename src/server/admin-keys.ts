/** The gate's own keys, as operators see and rotate them: public halves and dates, never more. */
import type { JsonObject } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { AdminRequests } from '../wire/admin-request.ts';
import type { AdminAnswers, Answered, Asked } from './admin-routes.ts';
import { jsonReply } from './reply.ts';

/** A key, without anything that signs. Times are milliseconds since 1970. */
export interface KeyEntry {
  readonly kid: string;
  readonly purpose: string;
  readonly alg: string;
  /** `next` is published and signs later; `verifying` signs no more, and goes when its last token has expired. */
  readonly state: 'next' | 'signing' | 'verifying';
  readonly createdAtMs: number;
  /** Null while it is not settled when it begins to sign. */
  readonly signsFromMs: number | null;
  /** Null while none follows it. */
  readonly verifiesUntilMs: number | null;
}

export interface AdminKeyPorts<Purpose extends string> {
  readonly list: () => readonly KeyEntry[];
  readonly isPurpose: (text: string) => text is Purpose;
  /** Makes a key that signs after `leadMs` (left out: the gate's own measure), or gives the one that waits already. */
  readonly rotate: (
    purpose: Purpose,
    options: { readonly leadMs?: number },
  ) => Promise<{ readonly kid: string; readonly signsFromMs: number } | Denial>;
  readonly requests: AdminRequests;
}

/** The answers of `/keys…`. */
export function adminKeys<Purpose extends string>(
  ports: AdminKeyPorts<Purpose>,
): AdminAnswers<'keys.list' | 'keys.rotate'> {
  return {
    'keys.list': async () => ({ reply: jsonReply(200, { keys: ports.list().map(document) }) }),
    'keys.rotate': (asked) => rotate(ports, asked),
  };
}

async function rotate<Purpose extends string>(ports: AdminKeyPorts<Purpose>, { body }: Asked): Promise<Answered> {
  const read = ports.requests.rotate(body);
  if (isDenial(read)) return { reply: read };
  const { purpose, leadMs } = read;
  if (!ports.isPurpose(purpose)) {
    return { reply: deny('args_invalid', 'There are no keys of this purpose; GET /keys names those there are.') };
  }
  const made = await ports.rotate(purpose, leadMs === null ? {} : { leadMs });
  if (isDenial(made)) return { reply: made, about: { notes: { purpose } } };
  const { kid, signsFromMs } = made;
  const reply = jsonReply(201, { purpose, kid, signs_from: new Date(signsFromMs).toISOString() });
  return { reply, about: { notes: { purpose, kid } } };
}

function document({ kid, purpose, alg, state, createdAtMs, signsFromMs, verifiesUntilMs }: KeyEntry): JsonObject {
  const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    ...{ kid, purpose, alg, state, created_at: time(createdAtMs) },
    ...{ signs_from: time(signsFromMs), verifies_until: time(verifiesUntilMs) },
  };
}
