/**
 * A modern server ends a call with `input_required` where it needs something of the client (2026-07-28, Multi Round-Trip
 * Requests). A modern client is given that as it is. An older one is asked each thing in turn, as its servers would, and
 * the call is made again with what it answered. That is no repetition: the server has asked for it.
 */
import type { Json, JsonObject } from '../../call.ts';
import { rpcCodes } from '../../wire/mcp/fault.ts';
import { objectIn, type RpcResponse } from '../../wire/mcp/message.ts';
import { asksForInput } from '../../wire/mcp/translate.ts';
import { openQuestionsMax, type Questions } from './questions.ts';

/** How often one call is made again. */
const roundsMax = 8;

export interface Rounds {
  readonly questions: Questions;
  readonly first: () => Promise<RpcResponse>;
  /** The same request with what was answered, under another id. */
  readonly again: (inputResponses: JsonObject, requestState: Json | undefined) => Promise<RpcResponse>;
}

/** The response that asks for nothing more, or an error. Throws what `rounds` throw. */
export async function responseAfterInput(rounds: Rounds): Promise<RpcResponse> {
  let response = await rounds.first();
  for (let round = 0; ; round++) {
    if ('error' in response || !asksForInput(response.result)) return response;
    if (round >= roundsMax) return failed('The server keeps asking for more');
    const { inputRequests, requestState } = response.result;
    const wanted = Object.entries(objectIn(inputRequests) ?? {});
    if (wanted.length === 0 && typeof requestState !== 'string') return failed('The server asks for nothing it names');
    if (wanted.length > openQuestionsMax) return failed('The server asks for too much at once');
    const inputResponses: Record<string, Json> = {};
    for (const [key, value] of wanted) {
      const answered = await answerOf(value, rounds.questions);
      if ('error' in answered) return { kind: 'response', id: null, error: answered.error as never };
      inputResponses[key] = answered.result;
    }
    response = await rounds.again(inputResponses, requestState);
  }
}

async function answerOf(value: Json, questions: Questions): ReturnType<Questions['reply']> {
  const { method, params } = objectIn(value) ?? {};
  if (typeof method !== 'string')
    return { error: { code: rpcCodes.internalError, message: 'The server asks nothing' } };
  const reply = await questions.reply({ method, params: objectIn(params) ?? {} });
  // There is no error in its place; of a form that nobody fills in the server is told that.
  if ('error' in reply && method === 'elicitation/create') return { result: { action: 'cancel' } };
  return reply;
}

function failed(message: string): RpcResponse {
  return { kind: 'response', id: null, error: { code: rpcCodes.internalError, message } };
}
