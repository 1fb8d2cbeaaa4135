/**
 * What makes two calls equal for the cache: who pays and for whom, under which policies and what the task has caught,
 * what the decision demands, where the call may go, and everything that would be sent. What a reader would get wrong: a
 * member left out here is an answer that somebody gets who should not; one too many is only a model asked once more.
 */
import type { Arrival, DecisionFact, EntryFact, Json, OperationFact, Subject, Target } from '../call.ts';
import { canonical } from '../wire/canonical.ts';

type Told = Pick<Arrival, 'surface'> & OperationFact & EntryFact & DecisionFact;

/** One text for all equal calls; whoever changes anything here empties the cache. */
export function samenessOf(call: Told, targets: readonly Target[], namespace: string): string {
  const { resolved, entry, decision, surface } = call;
  const { operation, payload } = resolved;
  const { tenant, subject, purpose } = entry.task.record;
  const { cache: _granted, ...demanded } = decision.obligations;
  return canonical([
    'tollgate answer',
    namespace,
    { tenant, subject: nameOf(subject), purpose },
    { bundle: decision.bundle, content: decision.content ?? decision.revision, also_by: decision.alsoBy ?? null },
    [...labelsOf(call)].toSorted(),
    (entry.task.record.regions ?? []).map((list) => [...list]),
    JSON.parse(JSON.stringify(demanded)) as Json,
    { operation: operation.name, surface, stream: payload.stream },
    targets.map(placeOf),
    spokenTo(payload, targets),
    payload.document(),
  ]);
}

/** The taint of a task once this call has been allowed. */
export function labelsOf({ resolved, entry, decision }: Pick<Told, 'resolved' | 'entry' | 'decision'>): Set<string> {
  const { taint } = entry.task.record;
  return new Set([...taint, ...resolved.operation.reads, ...(decision.obligations.taint ?? [])]);
}

/** Who only says that they are somebody is somebody else than who has proved it. */
function nameOf(subject: Subject | null): Json {
  if (subject === null) return null;
  const { issuer = null, type, id, assurance } = subject;
  return { issuer, type, id, assurance };
}

function placeOf(target: Target): Json {
  const { name, cloud, region, provider, api, apiVersion = null, headers = {} } = target;
  const { url, model, maxOutputTokens, credential } = target;
  const spoken = { provider, api, api_version: apiVersion, headers: { ...headers } };
  return { name, cloud, region, ...spoken, url, model, maxOutputTokens, credential };
}

/** Paths and headers as each kind of target would get them: versions and features that no document holds. */
function spokenTo(payload: OperationFact['resolved']['payload'], targets: readonly Target[]): Json {
  const kinds = new Map<string, Target>();
  for (const target of targets) {
    const kind = `${target.provider} ${target.api}`;
    if (!kinds.has(kind) && payload.unfit?.(target) === undefined) kinds.set(kind, target);
  }
  return [...kinds.values()].map((target) => {
    const { method, path, headers } = payload.encode(target);
    return { method, path, headers: { ...headers } };
  });
}
