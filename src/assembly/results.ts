/**
 * What the route of a call says of its results, done to them: HTML as text before anybody looks at it, answers held
 * against their document, and pages in place of what is too long, after policy and inspection have had the whole.
 */

import { recordTask } from '../audit/stage.ts';
import type { Admitted, Answer, AnswerHead, UpstreamAnswer } from '../call.ts';
import { type Denial, deny, type Reason } from '../denial.ts';
import type { EncodedAnswer } from '../pipeline.ts';
import { type RestPorts, ResultRoutes } from '../server/result-routes.ts';
import type { AccessPorts } from '../task/access.ts';
import type { OpeningPorts } from '../task/open.ts';
import type { KeptPage } from '../task/results.ts';
import { actingOf } from '../task/suspended.ts';
import { inToolset } from '../toolset.ts';
import { bytesHeaders } from '../wire/answer.ts';
import { mayHoldText } from '../wire/dialects/http/answer-flow.ts';
import { HttpOperation } from '../wire/dialects/http/operation.ts';
import { parseAnswerJson } from '../wire/json.ts';
import { objectOf } from '../wire/json-value.ts';
import { resultUri } from '../wire/mcp/names.ts';
import { hasLinks } from '../wire/mcp/translate.ts';
import { isJsonType, isTextType, parseMediaType } from '../wire/media.ts';
import { textOfHtml } from '../wire/result/html-text.ts';
import { cutResult, withoutHtml } from '../wire/result/mcp-result.ts';
import { jsonPages, type Page, textPages } from '../wire/result/pages.ts';
import type { Parts } from './parts.ts';

const html: ReadonlySet<string> = new Set(['text/html', 'application/xhtml+xml']);
/** Those in which a byte below 128 is its ASCII character wherever a text has none but these. */
const readCharsets =
  /^(?:utf-?8|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|koi8-[ru]|macintosh|gbk|gb2312|gb18030|big5|euc-(?:jp|kr)|shift[-_]jis)$/;
const partHeader = 'x-tollgate-result-part';
const cursorHeader = 'x-tollgate-result-cursor';

function typeOf({ headers }: AnswerHead): string {
  return parseMediaType(headers['content-type'] ?? '')?.type ?? 'text/plain';
}

function routeOf({ table }: Parts, { resolved }: Pick<Admitted, 'resolved'>) {
  return table.route(resolved.operation.route);
}

/** What is cut, or made another text, is read to its end first. */
export function readsWhole(parts: Parts, call: Admitted): boolean {
  return routeOf(parts, call)?.result !== undefined;
}

/** A whole answer as its route asks for it. Denies `upstream_error` for what may not pass unread, or does not fit. */
export function readResult(
  parts: Parts,
  call: Admitted,
  { head, target }: UpstreamAnswer,
  bytes: Buffer,
): Answer | Denial {
  const route = routeOf(parts, call);
  const refused = denyPart(call, head) ?? denyCharset(call, head, bytes) ?? denyUnfit(parts, call, head, bytes);
  if (refused !== undefined) return refused;
  const { payload } = call.resolved;
  if (route?.kind === 'mcp') {
    const plain = route.result?.htmlAsText === true ? (withoutHtml(bytes) ?? bytes) : bytes;
    return payload.readAnswer(head, withoutHidden(parts, call, plain) ?? plain, target);
  }
  if (route?.result?.htmlAsText !== true) return payload.readAnswer(head, bytes, target);
  if (!html.has(typeOf(head))) return payload.readAnswer(head, bytes, target);
  const headers = { ...withoutBytesHeaders(head), 'content-type': 'text/plain; charset=utf-8' };
  return payload.readAnswer({ ...head, headers }, Buffer.from(textOfHtml(bytes.toString('utf8'))), target);
}

/** The response with what its server says of itself judged as its route has it; undefined where nothing changes. */
function withoutHidden({ catalogue }: Parts, { resolved }: Admitted, bytes: Buffer): Buffer | undefined {
  const { name, route } = resolved.operation;
  const method = name.slice(route.length + 1);
  const said = catalogue.said(route);
  if (said?.judges(method) !== true) return undefined;
  const message = objectOf(parseAnswerJson(bytes)?.exact);
  const result = objectOf(message.result);
  const cleaned = said.cleaned(method, result);
  return cleaned === result ? undefined : Buffer.from(JSON.stringify({ ...message, result: cleaned }));
}

/** Of a text a part says less than the whole: half a number is found in neither. */
function denyPart({ resolved }: Admitted, head: AnswerHead): Denial | undefined {
  const type = typeOf(head);
  if (head.status !== 206 || resolved.operation.kind !== 'tool' || !mayHoldText(type)) return undefined;
  return deny('upstream_error', 'A part of a text cannot be inspected, so it does not pass: ask for all of it.', {
    reasons: [{ code: 'range_of_text', message: 'Ranges are taken of answers that are neither text nor JSON.' }],
    retryable: false,
  });
}

/** A text that inspection would read as another one than its agent: charsets in which ASCII is not what it is. */
export function denyCharset({ resolved }: Admitted, head: AnswerHead, bytes?: Buffer): Denial | undefined {
  const type = typeOf(head);
  if (resolved.operation.kind !== 'tool' || !mayHoldText(type)) return undefined;
  const charset = parseMediaType(head.headers['content-type'] ?? '')?.charset ?? 'utf-8';
  if (readCharsets.test(charset) && bytes?.includes(0) !== true) return undefined;
  return deny('upstream_error', 'The answer is a text in a charset that is not read here, so it does not pass.', {
    reasons: [{ code: 'charset_unread', message: 'Texts and JSON are to be UTF-8, and have no NUL characters.' }],
    retryable: false,
  });
}

/** An answer that its document does not know, by its head, and by its body where that is there. */
export function denyUnfit(parts: Parts, call: Admitted, head: AnswerHead, bytes?: Buffer): Denial | undefined {
  const mode = routeOf(parts, call)?.responses;
  const { operation } = call.resolved;
  if (mode === undefined || !(operation instanceof HttpOperation) || head.status < 200 || head.status > 299)
    return undefined;
  const ranged = objectOf(call.resolved.payload.args.headers).range !== undefined;
  const faults = unfit(operation, head, bytes, ranged);
  if (faults.length === 0) return undefined;
  const codes = [...new Set(faults.map(({ code }) => code))];
  parts.log('warn', 'an answer does not fit its document', {
    operation: operation.name,
    status: head.status,
    codes,
    call: call.id,
  });
  parts.telemetry.unfitAnswer(operation.name, mode);
  if (mode === 'observe') return undefined;
  return deny('upstream_error', `The answer does not fit what the document says of ${operation.name}.`, {
    reasons: faults,
    retryable: false,
  });
}

function unfit(
  operation: HttpOperation,
  head: AnswerHead,
  bytes: Buffer | undefined,
  ranged: boolean,
): readonly Reason[] {
  const empty = bytes !== undefined && bytes.length === 0;
  // What has no body has no form.
  if (operation.draft.method === 'HEAD' || head.status === 204 || (head.status === 205 && empty)) return [];
  // A part that was asked for is one of the whole.
  if (head.status === 206 && ranged && operation.responseForm(200, typeOf(head)) !== undefined) return [];
  if (empty && operation.draft.responses.some(({ type }) => type === null)) return [];
  const type = typeOf(head);
  if (bytes === undefined || !isJsonType(type)) {
    if (operation.responseForm(head.status, type) !== undefined) return [];
    return [
      { code: 'undescribed', message: `The document knows no answer ${head.status} of this media type.`, path: '' },
    ];
  }
  const parsed = parseAnswerJson(bytes);
  if (parsed === undefined)
    return [{ code: 'json', message: 'The answer is not JSON that can be read in one way.', path: '' }];
  return (
    operation.answerFaults(head.status, type, parsed.value) ?? [
      { code: 'undescribed', message: `The document knows no answer ${head.status} of this media type.`, path: '' },
    ]
  );
}

/** The answer as it goes out: whole, or its first page. Denies `upstream_error` for what has no pages. */
export async function pageResult(
  parts: Parts,
  call: Admitted,
  encoded: EncodedAnswer,
): Promise<EncodedAnswer | Denial> {
  const { maxBytes } = routeOf(parts, call)?.result ?? {};
  const { head, body } = encoded;
  if (maxBytes === undefined || body.length <= maxBytes) return encoded;
  const cut = call.surface === 'mcp' ? cutResult(body, maxBytes) : cutAnswer(head, body, maxBytes);
  if (cut === undefined) {
    return deny('upstream_error', `The result has more than ${maxBytes} bytes, and cannot be cut.`, {
      reasons: [{ code: 'result_too_large', message: 'Ask for less, or for a range of it.' }],
      retryable: false,
    });
  }
  const kept: KeptPage[] = cut.rest.map((page) => ({
    contentType: cut.contentType,
    text: page.text,
    part: partOf(page),
  }));
  const { record } = call.task;
  const whence = { callId: call.id, operation: call.resolved.operation.name };
  const cursor = await parts.resultRests.keep(record, whence, kept);
  const headers = {
    ...withoutBytesHeaders(head),
    [partHeader]: partOf(cut.first),
    ...(cursor === null ? {} : { [cursorHeader]: cursor }),
  };
  const url = `${parts.publicUrl}/tasks/${record.id}/results/${cursor}`;
  const how =
    cursor === null ? 'The rest is not kept.' : `The rest: read the resource ${resultUri(cursor)}, or GET ${url}`;
  const note = `[This result was cut: it is ${partOf(cut.first)}. ${how}]`;
  const links = cursor !== null && hasLinks(call.conversation?.version ?? '');
  const first = cut.encode(note, cursor === null ? null : resultUri(cursor), links);
  return { head: { ...head, headers }, body: first, pages: 1 + cut.rest.length };
}

function cutAnswer(head: AnswerHead, body: Buffer, maxBytes: number) {
  const type = typeOf(head);
  const json = isJsonType(type) ? parseAnswerJson(body) : undefined;
  if (json === undefined && !isTextType(type) && !isJsonType(type)) return undefined;
  const pages = json === undefined ? textPages(body.toString('utf8'), maxBytes) : jsonPages(json.exact, maxBytes);
  const [first, ...rest] = pages ?? [];
  if (first === undefined) return undefined;
  const contentType = json === undefined ? 'text/plain; charset=utf-8' : 'application/json';
  return { first, rest, contentType, encode: () => Buffer.from(first.text) };
}

function partOf({ unit, from, to, of }: Page): string {
  return `${unit} ${from}-${to}/${of}`;
}

function withoutBytesHeaders({ headers }: AnswerHead): Record<string, string> {
  const gone = new Set([...bytesHeaders, 'accept-ranges', 'content-range']);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !gone.has(name)));
}

/** `GET /tasks/{id}/results/{cursor}` over the parts. */
export function resultRoutesOf(
  parts: Parts,
  access: AccessPorts,
  { denySuspended }: Pick<OpeningPorts<never>, 'denySuspended'>,
): ResultRoutes {
  return new ResultRoutes({
    ...{ access, clock: parts.clock, ...restPortsOf(parts) },
    denySuspended: (record) => denySuspended(actingOf(record)),
  });
}

/** How pages are found and recorded, over HTTP and MCP alike. */
export function restPortsOf({ resultRests, table, trail, redact }: Parts): RestPorts {
  return {
    rests: resultRests,
    covers: (scope, name) => {
      const operation = table.get(name);
      return operation !== undefined && inToolset(scope, operation);
    },
    record: (record, { callId, operation, page }, { trace }) =>
      recordTask(
        trail,
        {
          ...{ record, operation: 'task.result_read', status: 200, trace, durable: false },
          details: { call: callId, of: operation, part: page.part },
        },
        redact,
      ),
  };
}
