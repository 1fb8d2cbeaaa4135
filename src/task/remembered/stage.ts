/**
 * What a request names of remembered answers is put in place right behind the rung that has named the operation and
 * before anything else reads the payload: commitments, inspection, policy, budget and targets see the whole request, and
 * nothing goes on as a reference that the provider could not follow. What is remembered is content like any other.
 */
import type {
  Admitted,
  Arrival,
  OperationFact,
  Outcome,
  ReachFact,
  RecalledFact,
  TaskFact,
  Underway,
} from '../../call.ts';
import { isDenial } from '../../denial.ts';
import type { Stage } from '../../stage.ts';
import { StoreUnavailable } from '../../store/store.ts';
import { mayBeIn } from '../caught.ts';
import type { RememberedAnswers } from './answers.ts';

export interface RecallParts {
  /** Null where no secret is there that every gateway of the store has: then nothing is remembered. */
  readonly answers: Pick<RememberedAnswers, 'find' | 'keep'> | null;
  /** Where this gateway stands, and the store with it. */
  readonly region: string;
  /** The longest input with what was put in place, in bytes. */
  readonly bytesMax: number;
  readonly faulted: (where: string, fault: unknown) => void;
}

const nothing: RecalledFact = { recalled: { items: 0 } };
const noSecret = ' This gateway remembers nothing itself: in a shared store that needs keys.secret.';
const elsewhere = (region: string) =>
  ` This gateway remembers nothing for this task itself: its data may not lie in ${region}, where the gateway stands.`;

/** Adds how many items were put in place. Denies `too_large` and `args_invalid` for a request that these spoil. */
export function recallStage(parts: RecallParts): Stage<Arrival & TaskFact & OperationFact & ReachFact, RecalledFact> {
  return {
    name: 'task',
    fault: 'store_unavailable',
    gives: { recalled: (value) => Number.isSafeInteger((value as RecalledFact['recalled'] | null)?.items) },
    admit: ({ task: { record }, resolved }) => {
      const { recall } = resolved.payload;
      const wanted = recall?.wanted() ?? null;
      const { answers, region, bytesMax } = parts;
      if (recall === undefined || wanted === null) return nothing;
      if (answers === null) return { recalled: { items: 0, forgets: noSecret } };
      if (!mayBeIn(record, region)) return { recalled: { items: 0, forgets: elsewhere(region) } };
      return answers.find(record, wanted).then((found) => {
        const items = recall.fill(found, bytesMax);
        return isDenial(items) ? items : { recalled: { items } };
      });
    },
  };
}

/**
 * Remembers the answer of a call that has ended well, where its client takes it for kept. Never rejects: a store that is
 * away remembers nothing.
 */
export async function rememberAnswer(parts: RecallParts, call: Underway, outcome: Outcome): Promise<void> {
  const { told, status } = outcome;
  const { resolved, entry, decision } = call;
  const recall = resolved?.payload.recall;
  if (told === undefined || recall?.remembers !== true || status < 200 || status > 299) return;
  if (parts.answers === null || entry === undefined || decision === undefined) return;
  if (!mayLieHere(parts, { entry, decision })) return;
  try {
    await parts.answers.keep(entry.task.record, call.id, told, recall.conversation());
  } catch (fault) {
    if (!(fault instanceof StoreUnavailable)) parts.faulted('remembered answers', fault);
  }
}

/** Whether the data of the call may be where the store is. */
function mayLieHere({ region }: RecallParts, { entry, decision }: Pick<Admitted, 'entry' | 'decision'>): boolean {
  const { regions } = decision.obligations;
  return mayBeIn(entry.task.record, region) && mayBeIn(regions === undefined ? {} : { regions: [regions] }, region);
}
