/**
 * Which model requests always mean the same answer: embeddings, and what is asked for at temperature 0, once, without
 * anything that acts or remembers at the provider. What a reader would get wrong: fields that act outside the gate, known
 * or not, stand among `tools` by their own kinds, so the kinds say it all.
 */
import type { JsonObject, Operation, Payload } from '../call.ts';
import { objectOf } from './json-value.ts';

/** Operations that sample nothing. */
const withoutSampling: ReadonlySet<string> = new Set(['embeddings']);
const withTemperature: ReadonlySet<string> = new Set(['chat', 'messages', 'responses']);
/** Tools that the client itself carries out. */
const clientKinds: ReadonlySet<string> = new Set(['function', 'custom']);

/** Whether equal requests of `operation` may be answered with one answer. */
export function isDeterministic(
  { kind, name, route }: Pick<Operation, 'kind' | 'name' | 'route'>,
  payload: Pick<Payload, 'document' | 'model'>,
): boolean {
  const { model } = payload;
  if (kind !== 'model' || model === null || !model.tools.every((tool) => clientKinds.has(tool.kind))) return false;
  const id = name.slice(route.length + 1);
  if (withoutSampling.has(id)) return true;
  const document = objectOf(payload.document());
  return withTemperature.has(id) && document.temperature === 0 && isOneAnswer(document) && !isStored(id, document);
}

function isOneAnswer({ n, candidate_count: candidates }: JsonObject): boolean {
  return [n, candidates].every((count) => count === undefined || count === null || count === 1);
}

/** The provider keeps a response unless it is told not to; a completion only if it is told to. */
function isStored(id: string, { store }: JsonObject): boolean {
  return id === 'responses' ? store !== false : store === true;
}
