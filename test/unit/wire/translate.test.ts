/**
 * Requests of either API at every provider. Each of `fixtures/wire/requests` is kept as it would reach them, or with what
 * makes it unfit, in `fixtures/wire/snapshots`; `TOLLGATE_SNAPSHOTS=write node --test test/unit/wire/translate.test.ts`
 * writes those anew, for whoever reads the diff.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Json, JsonObject, ModelApi, Payload, Target } from '../../../src/call.ts';
import { isDenial } from '../../../src/denial.ts';
import { providers } from '../../../src/upstream/providers/index.ts';
import { objectOf } from '../../../src/wire/json-value.ts';
import { apiOf, choosesApi } from '../../../src/wire/model-apis.ts';
import { atChat, atMessages, fixture, fixtures, payloadOf } from './two-apis.ts';

const renew = process.env.TOLLGATE_SNAPSHOTS === 'write';

/** A target of each provider in each of its APIs. */
const targets = providers.flatMap(({ name }): Target[] => {
  const apis: readonly ModelApi[] = choosesApi(name) ? ['openai', 'anthropic'] : [apiOf({ provider: name })];
  return apis.map((api) => ({
    ...(api === 'openai' ? atChat : atMessages),
    ...{ name: apis.length > 1 ? `${name} ${api}` : name, provider: name, api, url: 'https://models.example.com' },
  }));
});

/** What a provider would get of `payload`, or why it gets nothing. */
function sentTo(target: Target, payload: Payload): Json {
  const unfit = payload.unfit?.(target);
  if (unfit !== undefined) {
    return { unfit: unfit.reasons.map(({ path = '', message }) => `${path}: ${message}`) };
  }
  const asked = payload.encode(target);
  const provider = providers.find(({ name }) => name === target.provider);
  const { method, path, headers, body } = provider?.request(asked, target) ?? asked;
  return { request: `${method} ${path}`, headers, body: body === null ? null : JSON.parse(body.toString()) };
}

/** What is the same as at a provider before is not said twice. */
function inShort(sent: readonly (readonly [name: string, said: Json])[]): JsonObject {
  return Object.fromEntries(
    sent.map(([name, said], index) => {
      const before = sent.slice(0, index).find(([, other]) => isDeepStrictEqual(said, other));
      return [name, before === undefined ? said : `as ${before[0]}`];
    }),
  );
}

describe('a request of either API at every provider', () => {
  for (const surface of ['chat', 'messages'] as const) {
    const folder = new URL(`snapshots/${surface}/`, fixtures);
    for (const file of readdirSync(new URL(`requests/${surface}/`, fixtures)).toSorted()) {
      test(`${surface}: ${file}`, () => {
        const payload = payloadOf(surface, JSON.parse(fixture(`requests/${surface}/${file}`).toString()));
        const sent = inShort(targets.map((target) => [target.name, sentTo(target, payload)]));
        const snapshot = new URL(file, folder);
        if (renew) {
          mkdirSync(folder, { recursive: true });
          writeFileSync(snapshot, `${JSON.stringify(sent, null, 2)}\n`);
        }
        assert.deepEqual(sent, JSON.parse(readFileSync(snapshot).toString()));
      });
    }
  }

  test('what has no place is denied with a pointer to each field', () => {
    const payload = payloadOf('chat', { messages: [{ role: 'user', content: 'x' }], temperature: 1.5, n: 2 });
    const denial = payload.unfit?.(atMessages);
    assert.ok(isDenial(denial));
    assert.deepEqual([denial.code, denial.status], ['args_invalid', 422]);
    assert.deepEqual(
      denial.reasons.map(({ path }) => path),
      ['/temperature', '/n'],
    );
    assert.match(denial.message, /claude speaks the messages API.*\/temperature, \/n/);
    assert.equal(payload.unfit?.(atChat), undefined);
  });

  test('what an obligation takes away is not in the way any more', () => {
    const payload = payloadOf('chat', { messages: [{ role: 'user', content: 'x' }], seed: 7 });
    assert.ok(isDenial(payload.unfit?.(atMessages)));
    payload.drop('/seed');
    assert.equal(payload.unfit?.(atMessages), undefined);
  });

  test('what OpenAI Agents copies of an answer into the parts of its text is left out, and nothing else', () => {
    const of = (role: string, more: object) => {
      const content = [{ type: 'text', text: 'a', ...more }];
      const turns = [
        { role: 'user', content: 'x' },
        { role, content },
        { role: 'user', content: 'y' },
      ];
      return payloadOf('chat', { messages: turns, max_tokens: 9 });
    };
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } };
    const copied = { role: 'assistant', refusal: null, annotations: [], reasoning_content: 'hm', tool_calls: [call] };
    const fitting = of('assistant', copied);
    assert.equal(fitting.unfit?.(atMessages), undefined);
    assert.deepEqual(JSON.parse(String(fitting.encode(atMessages).body)).messages[1], {
      role: 'assistant',
      content: [{ type: 'text', text: 'a' }],
    });
    const place = '/messages/1/content/0';
    for (const [role, more, path] of [
      ['assistant', { annotations: [{ type: 'url_citation' }] }, `${place}/annotations`],
      ['assistant', { audio: { id: 'audio_1' } }, `${place}/audio`],
      ['user', { tool_calls: [call] }, `${place}/tool_calls`],
    ] as const) {
      const denial = of(role, more).unfit?.(atMessages);
      assert.deepEqual(isDenial(denial) && denial.reasons.map((reason) => reason.path), [path]);
    }
  });

  test('a request that was lowered fits no target that it did not fit before', () => {
    const thinking = { type: 'enabled', budget_tokens: 2000 };
    const payload = payloadOf('messages', { max_tokens: 4000, messages: [{ role: 'user', content: 'x' }], thinking });
    assert.ok(isDenial(payload.unfit?.(atChat)));
    payload.limitTokens(500);
    assert.deepEqual(objectOf(payload.document()).thinking, { type: 'disabled' });
    assert.ok(isDenial(payload.unfit?.(atChat)));
  });

  test('a prompt is bounded as the target is sent it', () => {
    const url = 'data:image/png;base64,AAAA';
    const content = [{ type: 'image_url', image_url: { url } }];
    const function_ = { name: 'f', parameters: { type: 'object' } };
    const tools = [{ type: 'function', function: function_ }];
    const chat = payloadOf('chat', { messages: [{ role: 'user', content }], tools }).model;
    // A provider of messages adds a text of its own where there are tools, one of chat takes more for an image.
    const there = chat?.translatedFor?.(atMessages);
    assert.ok((there?.promptTokensMax ?? 0) > 8192 + 1024, String(there?.promptTokensMax));
    assert.equal(chat?.translatedFor?.(atChat), undefined);
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
    const messages = payloadOf('messages', { max_tokens: 9, messages: [{ role: 'user', content: [image] }] }).model;
    const here = messages?.translatedFor?.(atChat);
    assert.ok((here?.promptTokensMax ?? 0) > 40_000, String(here?.promptTokensMax));
    assert.deepEqual([messages?.cacheWrites, here?.cacheWrites], [false, true]);
  });

  test('a count of tokens is for targets that count', () => {
    const payload = payloadOf('count', { messages: [{ role: 'user', content: 'x' }] });
    assert.equal(payload.unfit?.(atMessages), undefined);
    assert.match(payload.unfit?.(atChat)?.message ?? '', /gpt speaks the chat completions API/);
  });
});
