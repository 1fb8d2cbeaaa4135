/**
 * The parameters of a messages request that travel as headers: the version, which only passes through, and those that
 * change what the request does, which are members of its document under the names that the SDK has for them.
 */
import type { JsonObject } from '../../../call.ts';
import { type Denial, deny, isDenial } from '../../../denial.ts';
import type { RawRequest } from '../../dialect.ts';
import { listOf, textOf } from '../../json-value.ts';
import { singleHeader } from '../../media.ts';
import { headerParams } from './faults.ts';

/** What targets are told where the client names no version. */
const versionDefault = '2023-06-01';
/** How many beta features one request may name. */
const betasMax = 64;

const versionForm = /^\d{4}-\d\d-\d\d$/;
const nameForm = /^[\x21-\x2b\x2d-\x7e]{1,128}$/;

export interface MessagesParams {
  readonly version: string;
  /** Members for the document; only those that the request has. */
  readonly members: JsonObject;
  /** Whether the client asked the path for `?beta=true`, as some SDKs do. */
  readonly beta: boolean;
}

/** Those of a request that nobody sent. */
export const noParams: MessagesParams = { version: versionDefault, members: {}, beta: false };

/** Denies `request_invalid` for headers and queries that cannot be read. */
export function readParams(request: RawRequest): MessagesParams | Denial {
  if (request.query !== '' && request.query !== 'beta=true') {
    return deny('request_invalid', 'messages take no query but beta=true');
  }
  const version = singleHeader(request, 'anthropic-version');
  if (isDenial(version)) return version;
  if (version !== null && !versionForm.test(version)) {
    return deny('request_invalid', 'anthropic-version must be a date, as in 2023-06-01');
  }
  const named = request.headers[headerParams.betas] ?? [];
  const betas = (typeof named === 'string' ? [named] : named)
    .flatMap((value) => value.split(','))
    .map((one) => one.trim());
  const real = betas.filter((one) => one !== '');
  if (real.length > betasMax || !real.every((one) => nameForm.test(one))) {
    return deny('request_invalid', `anthropic-beta must be at most ${betasMax} names with commas between them`);
  }
  const members: Record<string, string | readonly string[]> = real.length === 0 ? {} : { betas: real };
  for (const name of ['user_profile_id', 'workspace_id'] as const) {
    const value = singleHeader(request, headerParams[name]);
    if (isDenial(value)) return value;
    if (value === null) continue;
    if (!nameForm.test(value)) return deny('request_invalid', `${headerParams[name]} must be an id`);
    members[name] = value;
  }
  return { version: version ?? versionDefault, members, beta: request.query !== '' };
}

/** The headers for a target, as the document stands. */
export function paramHeaders({ version }: MessagesParams, document: JsonObject): Record<string, string> {
  const headers: Record<string, string> = { 'anthropic-version': version };
  const betas = listOf(document.betas).map(textOf).filter(Boolean);
  if (betas.length > 0) headers[headerParams.betas] = betas.join(',');
  for (const name of ['user_profile_id', 'workspace_id'] as const) {
    const value = textOf(document[name]);
    if (value !== '') headers[headerParams[name]] = value;
  }
  return headers;
}
