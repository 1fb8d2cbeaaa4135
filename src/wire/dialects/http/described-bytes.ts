/**
 * The bytes of a request that its arguments only describe: the files of a form, or a bare body. Where they are a text,
 * whatever they are said to be, inspection reads it; what it changes changes the bytes, and with them their description,
 * so that what was decided and what is sent stay one.
 */
import type { Json, JsonObject, Segment } from '../../../call.ts';
import { child, namedBy, pointerTokens } from '../../pointer.ts';
import { type Bytes, describe, textIn } from './body.ts';

export class DescribedBytes {
  #bytes: readonly Bytes[];
  /** What stands in their description, by its pointer, since they were changed. */
  readonly #changed = new Map<string, JsonObject>();
  #segments: readonly Segment[] | undefined;

  constructor(bytes: readonly Bytes[]) {
    this.#bytes = bytes;
  }

  /** As they stand now, those left out that were dropped. */
  all(): readonly Bytes[] {
    return this.#bytes;
  }

  /** Whether a member of the arguments is the digest in a description. */
  isDigest(key: string | number, where: string): boolean {
    return key === 'sha256' && this.#bytes.some((bytes) => child(bytes.where, 'sha256') === where);
  }

  segments(): readonly Segment[] {
    this.#segments ??= this.#bytes.flatMap((bytes) => {
      const text = textIn(bytes);
      return text === undefined ? [] : [this.#segment(bytes.where, text)];
    });
    return this.#segments;
  }

  /**
   * Takes away what lies at `where` or below it; what stands behind it in a list moves up, as in the arguments. A `*` in it
   * stands for every element and member.
   */
  drop(where: string): void {
    const named = new Set(this.#bytes.flatMap((bytes) => namedBy(where, bytes.where) ?? []));
    // The last of a list first, so that no other moves before its turn.
    const inOrder = [...named].sort((one, other) => other.localeCompare(one, 'en', { numeric: true }));
    for (const one of inOrder) this.#dropAt(one);
  }

  #dropAt(where: string): void {
    const left = this.#bytes.filter((bytes) => bytes.where !== where && !bytes.where.startsWith(`${where}/`));
    if (left.length === this.#bytes.length) return;
    const at = where.lastIndexOf('/');
    const [list, index] = [where.slice(0, at + 1), Number(where.slice(at + 1))];
    this.#bytes = left.map((bytes) => {
      const own = Number(bytes.where.slice(list.length));
      if (!bytes.where.startsWith(list) || !(own > index)) return bytes;
      const moved = { ...bytes, where: `${list}${own - 1}` };
      const changed = this.#changed.get(bytes.where);
      this.#changed.delete(bytes.where);
      if (changed !== undefined) this.#changed.set(moved.where, changed);
      return moved;
    });
  }

  /** `args` with the descriptions of what was changed. */
  describedIn(args: JsonObject): JsonObject {
    let described: Json = args;
    for (const [where, description] of this.#changed) {
      if (this.#bytes.some((bytes) => bytes.where === where)) {
        described = withValue(described, pointerTokens(where) ?? [], description);
      }
    }
    return described as JsonObject;
  }

  #segment(where: string, text: string): Segment {
    let current = text;
    return {
      where,
      get text() {
        return current;
      },
      write: (said) => {
        current = said;
        this.#bytes = this.#bytes.map((bytes) => {
          if (bytes.where !== where) return bytes;
          const written = { ...bytes, content: Buffer.from(said) };
          const { size, sha256 } = describe(written);
          this.#changed.set(where, { size: size as Json, sha256: sha256 as Json });
          return written;
        });
      },
    };
  }
}

/** `value` with `members` in the object at `tokens`, if it is there. */
function withValue(value: Json, tokens: readonly string[], members: JsonObject): Json {
  if (typeof value !== 'object' || value === null) return value;
  const [token, ...rest] = tokens;
  if (token === undefined) return Array.isArray(value) ? value : { ...(value as JsonObject), ...members };
  if (Array.isArray(value))
    return value.map((item: Json, index) => (String(index) === token ? withValue(item, rest, members) : item));
  const inner = (value as JsonObject)[token];
  return inner === undefined ? value : { ...(value as JsonObject), [token]: withValue(inner, rest, members) };
}
