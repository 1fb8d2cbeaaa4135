/**
 * The payload of an embeddings request. Bytes: what nothing changed goes out as it came, but for the value of `model`.
 * What a reader would get wrong: text may also come as the numbers of its tokens, which inspection cannot read. That
 * stands in `call.tools[].kind` as `field:input.tokens`, so that it goes only where a policy lets it.
 */
import type {
  Answer,
  AnswerHead,
  AnswerStream,
  Json,
  JsonObject,
  ModelAsk,
  ModelTool,
  OutboundRequest,
  Payload,
  Segment,
  Target,
} from '../../../../call.ts';
import { type Denial, deny, type Reason } from '../../../../denial.ts';
import { StreamBroken } from '../../../event-frames.ts';
import { rowOf, stands } from '../../../field-class.ts';
import { isCount, listOf, objectOf } from '../../../json-value.ts';
import { withMembers } from '../../../members.ts';
import { promptBounds } from '../../../prompt-bounds.ts';
import { EditableJson } from '../../../segments.ts';
import { denyUnfit } from '../../../translate/unfit.ts';
import { EmbeddingsAnswer } from './answer.ts';
import { embeddingsFields } from './fields.ts';

/** How many texts one request may have (the limit of the provider). */
const inputsMax = 2048;
/** What may be put around each text, in tokens. */
const templateTokens = 8;

export class EmbeddingsPayload implements Payload {
  readonly method = 'POST';
  /** Relative to the target's `url`, which ends in `/v1` or what the provider has in its place. */
  readonly path = '/embeddings';
  /** There is nothing to stream. */
  readonly stream = false;
  readonly #route: string;
  readonly #text: string;
  readonly #document: EditableJson;
  #ask: { readonly version: number; readonly ask: ModelAsk } | null = null;

  /** `text` is the JSON text that `body` was read from. */
  constructor(route: string, text: string, body: JsonObject) {
    this.#route = route;
    this.#text = text;
    this.#document = new EditableJson(body, (_text, _key, where) => (where === '/model' ? 'skip' : 'text'));
  }

  get #body(): JsonObject {
    return objectOf(this.#document.value);
  }

  /** Without the texts, which are content: the policy sees findings of them. */
  get args(): JsonObject {
    const { input: _content, ...args } = this.#body;
    return args;
  }

  get model(): ModelAsk {
    const { version } = this.#document;
    if (this.#ask?.version !== version) this.#ask = { version, ask: readAsk(this.#route, this.#body) };
    return this.#ask.ask;
  }

  document(): Json {
    return this.#document.value;
  }

  segments(): readonly Segment[] {
    return this.#document.segments();
  }

  drop(where: string): void {
    this.#document.drop(where);
  }

  /** An embedding has no tokens. */
  limitTokens(): void {}

  /** Denies `args_invalid`, with every fault as a reason. */
  validate(): Denial | undefined {
    const reasons = embeddingsFaults(this.#body);
    if (reasons.length === 0) return undefined;
    return deny('args_invalid', 'the request is not one for embeddings', { reasons });
  }

  /** Nothing is translated into another API. */
  unfit(target: Target): Denial | undefined {
    if (target.api === 'openai') return undefined;
    return denyUnfit(target, [{ code: 'unfit', message: 'embeddings are not made there', path: '/model' }]);
  }

  encode(target: Target): OutboundRequest {
    const body = this.#body;
    const model = target.model ?? this.#route;
    const text = this.#document.changed ? JSON.stringify(body) : this.#text;
    return {
      method: this.method,
      path: this.path,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: Buffer.from(body.model === model ? text : withMembers(text, { model: JSON.stringify(model) })),
    };
  }

  readAnswer(head: AnswerHead, body: Buffer): Answer {
    return new EmbeddingsAnswer(this.#route, head, body);
  }

  readStream(): AnswerStream {
    throw new StreamBroken('embeddings do not stream');
  }
}

function readAsk(name: string, body: JsonObject): ModelAsk {
  const { input } = body;
  const inputs = typeof input === 'string' ? [input] : listOf(input);
  const texts = inputs.filter((value) => typeof value === 'string');
  let tokens = inputs.length * templateTokens;
  for (const value of inputs) tokens += typeof value === 'number' ? 1 : listOf(value).length;
  return { name, maxTokens: 0, tools: standing(body), ...promptBounds({ texts, otherTokens: tokens }), choices: 1 };
}

/** Fields that the table does not know, and text as tokens. */
function standing(body: JsonObject): readonly ModelTool[] {
  const names = Object.entries(body)
    .filter(([name, value]) => stands(rowOf(embeddingsFields, name), value))
    .map(([name]) => name);
  const opaque = listOf(body.input).some((value) => typeof value !== 'string');
  return [...names, ...(opaque ? ['input.tokens'] : [])].map((name) => ({ name, kind: `field:${name}` }));
}

function embeddingsFaults(body: JsonObject): readonly Reason[] {
  const faults: Reason[] = [];
  const fault = (code: string, path: string, message: string): void => void faults.push({ code, message, path });
  for (const name of Object.keys(body)) {
    const known = name.toLowerCase();
    if (known === name || !Object.hasOwn(embeddingsFields, known)) continue;
    // A server that reads names without regard to case would take it for the field that was decided on.
    fault('unknown_member', `/${known}`, `${known} must be written in lower case`);
  }
  const { input } = body;
  if (input === undefined) fault('missing', '/input', 'input is missing');
  else if (!isInput(input)) {
    fault(
      'type',
      '/input',
      `input must be a text, tokens, or an array of at most ${inputsMax} texts or lists of tokens`,
    );
  }
  const { encoding_format: format = null, dimensions = null } = body;
  if (format !== null && typeof format !== 'string')
    fault('type', '/encoding_format', 'encoding_format must be a string');
  if (dimensions !== null && !isCount(dimensions))
    fault('type', '/dimensions', 'dimensions must be a positive integer');
  return faults;
}

function isInput(input: Json): boolean {
  if (typeof input === 'string') return true;
  if (!Array.isArray(input) || input.length === 0) return false;
  if (input.every(isCount)) return true;
  if (input.length > inputsMax) return false;
  return (
    input.every((one: Json) => typeof one === 'string') ||
    input.every((one: Json) => listOf(one).length > 0 && listOf(one).every(isCount))
  );
}
