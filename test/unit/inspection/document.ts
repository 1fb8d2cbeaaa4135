/**
 * A payload, and an answer, over one JSON document: strings, and numbers of 12 figures and more, are segments that
 * write back into it, as the dialects do. Nothing is sent; `document()` shows what would be.
 */
import type {
  Answer,
  Arrival,
  Decision,
  DecisionFact,
  FindingsFact,
  Json,
  JsonObject,
  Obligations,
  OperationFact,
  Payload,
  Segment,
  TaskFact,
  TaskRecord,
} from '../../../src/call.ts';
import type { DecisionId } from '../../../src/clock.ts';
import type { Denial } from '../../../src/denial.ts';

type Holder = Record<string, unknown>;

export class Document {
  readonly #root: { value: unknown };
  validated = 0;
  readonly invalid: Denial | undefined;
  /** What a write becomes instead of what was written, to play a dialect that breaks its promise. */
  readonly distort: (text: string) => string;

  constructor(value: Json, options: { invalid?: Denial; distort?: (text: string) => string } = {}) {
    this.#root = { value: structuredClone(value) };
    this.invalid = options.invalid;
    this.distort = options.distort ?? ((text) => text);
  }

  document(): Json {
    return this.#root.value as Json;
  }

  segments(): readonly Segment[] {
    const found: Segment[] = [];
    this.#collect(this.#root as Holder, 'value', '', found);
    return found;
  }

  #collect(holder: Holder, name: string, where: string, found: Segment[]): void {
    const value = holder[name];
    if (typeof value === 'string' || (typeof value === 'number' && String(value).length >= 12)) {
      const write = (text: string): void => {
        holder[name] = this.distort(text);
      };
      found.push({ where, text: String(value), write });
    } else if (typeof value === 'object' && value !== null) {
      for (const key of Object.keys(value)) {
        this.#collect(value as Holder, key, `${where}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, found);
      }
    }
  }

  drop(where: string): void {
    const path = where.split('/').slice(1);
    let holder: unknown = this.#root.value;
    for (const key of path.slice(0, -1)) holder = (holder as Holder)[key];
    const last = path.at(-1) as string;
    if (Array.isArray(holder)) holder.splice(Number(last), 1);
    else delete (holder as Holder)[last];
  }

  asPayload(): Payload {
    const refuse = (): never => {
      throw new Error('this document is never sent');
    };
    return {
      args: this.#root.value as JsonObject,
      document: () => this.document(),
      method: 'POST',
      path: '/',
      stream: false,
      model: null,
      segments: () => this.segments(),
      drop: (where) => this.drop(where),
      limitTokens: refuse,
      validate: () => {
        this.validated++;
        return this.invalid;
      },
      encode: refuse,
      readAnswer: refuse,
      readStream: refuse,
    };
  }

  asAnswer(): Answer {
    return {
      head: { status: 200, headers: {} },
      body: this.document(),
      segments: () => this.segments(),
      drop: (where) => this.drop(where),
      usage: null,
      proposals: [],
      text: '',
      encode: () => ({ head: { status: 200, headers: {} }, body: Buffer.from(JSON.stringify(this.document())) }),
    };
  }
}

/** The digest keys of two tasks, base64url. */
export const digestKey: string = Buffer.alloc(32, 1).toString('base64url');
export const otherDigestKey: string = Buffer.alloc(32, 2).toString('base64url');

export function decisionWith(obligations: Obligations): Decision {
  const id = 'dec_1' as DecisionId;
  return { id, allow: true, reasons: [], obligations, bundle: 'test', revision: '1', input: {} };
}

/** A call as it reaches the stages of this room, with only what they may read. */
export function callWith(
  document: Document,
  facts: Partial<FindingsFact & DecisionFact> = {},
): Arrival & TaskFact & OperationFact & FindingsFact & DecisionFact {
  const record = { digestKey } as TaskRecord;
  return {
    task: { record },
    resolved: { payload: document.asPayload() },
    inspection: { findings: [] },
    decision: decisionWith({}),
    ...facts,
  } as unknown as Arrival & TaskFact & OperationFact & FindingsFact & DecisionFact;
}
