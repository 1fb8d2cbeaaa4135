/** Errors of one API in the shape of the other: the status stays, and the message; clients make their classes of the status. */
import type { Json, JsonObject } from '../../call.ts';
import { errorType } from '../dialects/anthropic/errors.ts';
import { objectOf, textOf } from '../json-value.ts';

/** The error of a chat completion; `code` is what the other API calls it. */
export function chatError(status: number, body: Json): JsonObject {
  const { type } = objectOf(objectOf(body).error);
  const kind = errorType(status);
  const ofServer = status >= 500;
  return {
    error: {
      message: messageOf(body),
      type: ofServer ? 'server_error' : kind,
      param: null,
      code: textOf(type) || kind,
    },
  };
}

/** The error of a message. */
export function messageError(status: number, body: Json): JsonObject {
  const { code = null } = objectOf(objectOf(body).error);
  const named = typeof code === 'string' ? { code } : {};
  return { type: 'error', error: { type: errorType(status), message: messageOf(body), ...named }, request_id: null };
}

/** Servers that are nearly compatible write it in other places; what has none says all it has. */
function messageOf(body: Json): string {
  const { error = null, message, detail } = objectOf(body);
  const found = [objectOf(error).message, error, message, detail].find((one) => typeof one === 'string' && one !== '');
  return typeof found === 'string' ? found : JSON.stringify(body);
}
