/**
 * The body of a buffered answer, of whatever kind: JSON in pieces, text in one piece (also one that is said to be
 * something else), other bytes as they are. An
 * answer that says it is JSON and is not (or names a member twice) is taken as text, so that inspection still sees it.
 */
import { isUtf8 } from 'node:buffer';
import type { AnswerHead, Json, Segment } from '../call.ts';
import { parseAnswerJson } from './json.ts';
import { isJsonType, isTextType, parseMediaType } from './media.ts';
import { type Classify, EditableJson } from './segments.ts';

/** Headers that speak of the exact bytes, and are wrong once these have changed. */
export const bytesHeaders = ['content-length', 'etag', 'content-md5', 'digest', 'content-digest', 'repr-digest'];

/** Whether bytes are a text, whatever they are said to be. */
function isText(bytes: Buffer): boolean {
  return !bytes.includes(0) && isUtf8(bytes);
}

export class AnswerBody {
  readonly head: AnswerHead;
  readonly bytes: Buffer;
  /** The text of a JSON answer as it came; null for other answers. */
  readonly jsonText: string | null;
  readonly #document: EditableJson | null;
  #json: { readonly version: number; readonly value: Json } | null = null;

  constructor(head: AnswerHead, bytes: Buffer, classify?: Classify) {
    this.head = head;
    this.bytes = bytes;
    const encoded = (head.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity';
    const type = parseMediaType(head.headers['content-type'] ?? '')?.type ?? 'text/plain';
    const json = encoded || !isJsonType(type) ? undefined : parseAnswerJson(bytes);
    this.jsonText = json?.text ?? null;
    if (json !== undefined) this.#document = new EditableJson(json.exact, classify);
    else if (!encoded && bytes.length > 0 && (isTextType(type) || isJsonType(type) || isText(bytes))) {
      // What says that it is JSON is read as such by somebody more lenient.
      this.#document = new EditableJson(bytes.toString('utf8'), () => (isJsonType(type) ? 'json' : 'text'));
    } else this.#document = null;
  }

  get changed(): boolean {
    return this.#document?.changed ?? false;
  }

  /** The document as it stands; null where it is not JSON. Numbers beyond 2^53 are rounded here, not on the wire. */
  get json(): Json {
    if (this.jsonText === null || this.#document === null) return null;
    const { version } = this.#document;
    if (this.#json?.version !== version) this.#json = { version, value: JSON.parse(this.text()) as Json };
    return this.#json.value;
  }

  segments(): readonly Segment[] {
    return this.#document?.segments() ?? [];
  }

  drop(where: string): void {
    this.#document?.drop(where);
  }

  /** The text of the body as it stands. Not for bodies that are neither JSON nor text. */
  text(): string {
    if (this.#document === null) return '';
    if (!this.changed) return this.jsonText ?? this.bytes.toString('utf8');
    return this.jsonText === null ? String(this.#document.value) : JSON.stringify(this.#document.value);
  }

  /** The answer as it goes to the agent: as it came, unless `text` or a change says otherwise. */
  encode(text?: string): { readonly head: AnswerHead; readonly body: Buffer } {
    if (text === undefined && !this.changed) return { head: this.head, body: this.bytes };
    const headers = { ...this.head.headers };
    for (const name of bytesHeaders) delete headers[name];
    return { head: { status: this.head.status, headers }, body: Buffer.from(text ?? this.text()) };
  }
}
