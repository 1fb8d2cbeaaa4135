/** What stands as `tollgate` in the last event of an answer that the gate cut, the same on every surface. */
import type { JsonObject, StreamCut } from '../call.ts';

/** `{code, message}`, and the length of the one last turn that the task has, where it has one. */
export function cutNote({ code, message, wrapUpTokens }: StreamCut): JsonObject {
  return { code, message, ...(wrapUpTokens === undefined ? {} : { wrap_up: { tokens: wrapUpTokens } }) };
}
