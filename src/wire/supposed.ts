/**
 * What would be sent if an operation were called with given arguments, for questions that are asked without a request.
 * What a reader would get wrong: arguments that were given are judged as those of a call are, but nothing is read from
 * bytes, so it must never be sent.
 */
import type { JsonObject, Operation, Resolved } from '../call.ts';
import { type Denial, deny } from '../denial.ts';
import { supposedMessages } from './dialects/anthropic.ts';
import { HttpOperation } from './dialects/http/operation.ts';
import { HttpPayload } from './dialects/http/payload.ts';
import { supposedOpenai } from './dialects/openai.ts';

/**
 * `args` as the policy names them: of an HTTP tool `{path, query, headers, body}`, of a model its body, where what is
 * left out is not asked for. Null asks of the operation without any. Denies `args_invalid` for arguments of a tool that
 * do not fit it, and `operation_unknown` for what is neither.
 */
export function supposed(operation: Operation, args: JsonObject | null): Resolved | Denial {
  if (operation instanceof HttpOperation) {
    const whole = { path: {}, query: {}, headers: {}, ...args };
    const form = operation.draft.body?.forms[0] ?? null;
    const read = { args: whole, form: 'body' in whole ? form : null, faults: [] };
    const payload = new HttpPayload(operation, read, Buffer.alloc(0));
    return (args === null ? undefined : payload.validate()) ?? { operation, payload };
  }
  if (operation.kind !== 'model') return deny('operation_unknown', 'This operation cannot be asked about.');
  const payload = supposedMessages(operation, args) ?? supposedOpenai(operation, args);
  return payload === undefined
    ? deny('operation_unknown', 'This operation cannot be asked about.')
    : { operation, payload };
}
