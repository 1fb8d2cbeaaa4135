/**
 * A model and a service that keep their own books, for simulations: what they worked on for whom, and what they bill.
 * What a reader would get wrong: what nobody was told is billed as dear as it can be. The tokenizer takes a token for
 * each byte, all of the prompt is written to the cache and all of the answer is reasoning where that costs more, and a
 * request whose client has left is written to its end, which is `max_tokens`. So a bound is the truth, and not just more.
 */
import type { Admitted, Attempt, Price, Target, UpstreamAnswer, Usage } from '../../src/call.ts';
import { type Clock, reservationOf } from '../../src/clock.ts';
import { isDenial } from '../../src/denial.ts';
import type { Tried } from '../../src/outcome.ts';
import type { Amounts } from '../../src/store/store.ts';
import { DialError, type DialErrorKind } from '../../src/upstream/exchange.ts';
import { denialOfFault } from '../../src/upstream/send.ts';
import { templateTokens } from '../../src/wire/dialects/openai/fields.ts';
import type { Draw } from './far_store.ts';

/** What becomes of a request. The first three are told to the gate whole, if it stays. */
export const manners = [
  ...(['whole', 'error', 'limited'] as const),
  ...(['connect', 'silent', 'reset', 'late', 'broken', 'hold', 'runaway'] as const),
];
export type Manner = (typeof manners)[number];

/** One request that reached a target. */
export interface Row {
  readonly target: Target;
  /** Of the request as it came, for one answer each. */
  readonly promptTokens: number;
  readonly answerTokensMax: number;
  /** Whether it does nothing but read. */
  readonly reads: boolean;
  /** False once a model has refused it; a service bills also what it found nothing for. */
  billed: boolean;
  /** Null where its client was not there to hear it: then all that it could be. */
  told: Usage | null;
  /** Tokens written to a stream until it was closed. */
  written: number;
}

interface Asked {
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly n?: number;
  readonly stream?: boolean;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/** What tokens cost, reckoned here and not by the gate; micro-dollars, rounded up. */
export function costOf(price: Price, usage: Usage): number {
  const reasoning = usage.reasoningTokens ?? 0;
  const rates =
    (usage.inputTokens - usage.cachedInputTokens) * price.inputMicroUsdPerMtok +
    usage.cachedInputTokens * price.cachedInputMicroUsdPerMtok +
    (usage.outputTokens - reasoning) * price.outputMicroUsdPerMtok +
    reasoning * price.reasoningMicroUsdPerMtok;
  return Math.ceil(rates / 1_000_000) + price.callMicroUsd;
}

/** As dear as so many tokens can be. */
export function dearest(price: Price, inputTokens: number, outputTokens: number): number {
  const input = Math.max(price.inputMicroUsdPerMtok, price.cacheWriteMicroUsdPerMtok);
  const output = Math.max(price.outputMicroUsdPerMtok, price.reasoningMicroUsdPerMtok);
  return Math.ceil((inputTokens * input + outputTokens * output) / 1_000_000) + price.callMicroUsd;
}

export class ModelBooks {
  readonly #draw: Draw;
  /** By reservation of the call, in the order they came. */
  readonly rows = new Map<string, Row[]>();
  /** How the next attempt of a call goes. */
  manner: (call: Admitted) => Manner = () => 'whole';

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  /** What was billed for a call, at the price of who served it; nothing where nothing reached anybody. */
  billed(id: string): Amounts {
    const rows = this.rows.get(id) ?? [];
    let [tokens, costMicroUsd] = [0, 0];
    for (const { target, promptTokens, answerTokensMax, billed, told } of rows) {
      if (!billed) continue;
      tokens += told === null ? promptTokens + answerTokensMax : told.inputTokens + told.outputTokens;
      costMicroUsd += told === null ? dearest(target.price, promptTokens, answerTokensMax) : costOf(target.price, told);
    }
    return { tokens, costMicroUsd, calls: rows.length > 0 ? 1 : 0 };
  }

  /** What a model worked on for a call without telling it; undefined where all was told, or the price is that of a call. */
  untold(id: string): Row | undefined {
    return this.rows.get(id)?.find(({ target, billed, told }) => target.kind === 'model' && billed && told === null);
  }

  /** One attempt, as the upstream room would make it. `life` is the gateway's: when it ends, nothing goes on. */
  async attempt(life: Clock, call: Admitted, target: Target): Promise<Tried> {
    const startMs = life.monotonicMs();
    const attempt = (status: number | null, error: string | null, sent: boolean): Attempt => {
      return { target: target.name, status, error, latencyMs: life.monotonicMs() - startMs, sent };
    };
    try {
      const manner = this.manner(call);
      const body = call.resolved.payload.encode(target).body;
      await this.#pause(life, call, 1 + this.#draw(4), false);
      if (manner === 'connect') throw new DialError('connect', 'refused', false);
      const row = this.#enter(call, target, body);
      await this.#pause(life, call, 1 + this.#draw(20), true);
      if (manner === 'reset') throw new DialError('reset', 'reset', true);
      if (manner === 'late') {
        await this.#pause(life, call, target.timeoutMs.firstByte, true);
        throw new DialError('timeout', 'too late', true);
      }
      const status = manner === 'limited' ? 429 : manner === 'error' ? (target.kind === 'model' ? 500 : 404) : 200;
      if (status !== 200 && target.kind === 'model') row.billed = false;
      const stream = status === 200 && call.resolved.payload.stream;
      const headers = { 'content-type': stream ? 'text/event-stream' : 'application/json' };
      const frames = stream ? this.#stream(life, call, row, manner) : this.#whole(life, call, row, manner);
      const answer: UpstreamAnswer = { target, head: { status, headers }, body: frames };
      return { answer, attempt: attempt(status, null, true) };
    } catch (fault) {
      if (!(fault instanceof DialError)) throw fault;
      const { reason } = call.abort.signal;
      const denial = fault.kind === 'aborted' && isDenial(reason) ? reason : denialOfFault(fault, target);
      return { failed: attempt(null, fault.kind, fault.sent), denial };
    }
  }

  #enter(call: Admitted, target: Target, body: Buffer | null): Row {
    const id = reservationOf(call.id);
    const known = this.rows.get(id);
    const isModel = target.kind === 'model';
    const asked = isModel ? (JSON.parse((body ?? '').toString()) as Asked) : { messages: [] };
    const each = asked.max_tokens ?? asked.max_completion_tokens ?? target.maxOutputTokens;
    const row: Row = {
      target,
      promptTokens: isModel ? promptTokensOf(asked) : 0,
      answerTokensMax: isModel ? each * (asked.n ?? 1) : 0,
      reads: call.resolved.operation.effect === 'read',
      billed: true,
      told: null,
      written: 0,
    };
    if (known === undefined) this.rows.set(id, [row]);
    else known.push(row);
    return row;
  }

  /** The usage of an answer that is told: any that a tokenizer may find in this request. */
  #usage({ promptTokens, answerTokensMax }: Row): Usage {
    const inputTokens = 1 + this.#draw(promptTokens);
    const outputTokens = 1 + this.#draw(answerTokensMax);
    const cachedInputTokens = this.#draw(2) === 0 ? 0 : this.#draw(inputTokens);
    const reasoningTokens = this.#draw(2) === 0 ? 0 : this.#draw(outputTokens);
    return { inputTokens, outputTokens, cachedInputTokens, reasoningTokens };
  }

  async *#whole(life: Clock, call: Admitted, row: Row, manner: Manner): AsyncGenerator<Uint8Array> {
    if (row.target.kind !== 'model' || !row.billed) {
      yield Buffer.from(row.billed ? '{"found":true}' : '{"error":{"message":"not now"}}');
      return;
    }
    await this.#cutShort(life, call, row, manner);
    const usage = manner === 'whole' ? this.#usage(row) : null;
    const choices = [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }];
    const told = usage === null ? {} : { usage: wireUsage(usage) };
    const text = JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices, ...told });
    const half = this.#draw(text.length);
    yield Buffer.from(text.slice(0, half));
    await this.#pause(life, call, this.#draw(10), true);
    row.told = usage;
    yield Buffer.from(text.slice(half));
  }

  async *#stream(life: Clock, call: Admitted, row: Row, manner: Manner): AsyncGenerator<Uint8Array> {
    if (manner === 'broken' || manner === 'hold') {
      row.written++;
      // Some count as they go on, which is not the last word on what they bill.
      const soFar = this.#draw(2) === 0 ? {} : { usage: { prompt_tokens: 1, completion_tokens: 1 } };
      yield chunk([{ index: 0, delta: { content: ' word' } }], soFar);
    }
    await this.#cutShort(life, call, row, manner);
    const usage = manner === 'whole' ? this.#usage(row) : null;
    const choices = call.resolved.payload.model?.choices ?? 1;
    const visible = (usage?.outputTokens ?? 4) - (usage?.reasoningTokens ?? 0);
    const tokens = manner === 'runaway' ? 3 * row.answerTokensMax : Math.min(6, row.answerTokensMax, visible);
    for (let token = 0; token < tokens; token++) {
      row.written++;
      yield chunk([{ index: token % choices, delta: { content: ' word' } }]);
      await this.#pause(life, call, this.#draw(3), true);
    }
    yield chunk(Array.from({ length: choices }, (_, index) => ({ index, delta: {}, finish_reason: 'stop' })));
    if (usage !== null) {
      await this.#pause(life, call, this.#draw(3), true);
      row.told = usage;
      yield chunk([], { usage: wireUsage(usage) });
      await this.#pause(life, call, this.#draw(3), true);
    }
    yield Buffer.from('data: [DONE]\n\n');
  }

  /** Ends an answer in the middle, where it is to. */
  async #cutShort(life: Clock, call: Admitted, row: Row, manner: Manner): Promise<void> {
    if (manner === 'hold') {
      await this.#pause(life, call, row.target.timeoutMs.total, true);
      throw new DialError('timeout', 'too long', true);
    }
    if (manner === 'broken') {
      await this.#pause(life, call, this.#draw(10), true);
      throw new DialError('reset', 'reset', true);
    }
  }

  /** Some time of the gateway; less where its call is given up. */
  #pause(life: Clock, { abort: { signal } }: Admitted, ms: number, sent: boolean): Promise<void> {
    if (ms === 0 && !signal.aborted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const kind: DialErrorKind = 'aborted';
      const gone = () => {
        timer.cancel();
        reject(new DialError(kind, 'given up', sent));
      };
      const timer = life.after(ms, () => {
        signal.removeEventListener('abort', gone);
        resolve();
      });
      if (signal.aborted) gone();
      else signal.addEventListener('abort', gone, { once: true });
    });
  }
}

/** As many tokens as a prompt can have. */
function promptTokensOf({ messages }: Asked): number {
  return messages.reduce<number>(
    (sum, { role, content }) => sum + templateTokens.message + Buffer.byteLength(role + content),
    templateTokens.request,
  );
}

function wireUsage({ inputTokens, outputTokens, cachedInputTokens, reasoningTokens = 0 }: Usage): object {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    prompt_tokens_details: { cached_tokens: cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}

function chunk(choices: readonly object[], more: object = {}): Buffer {
  const document = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices, ...more };
  return Buffer.from(`data: ${JSON.stringify(document)}\n\n`);
}
