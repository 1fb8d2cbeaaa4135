import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { PromptTokens } from '../../../src/budget/prompt-tokens.ts';
import type { ModelAsk, Tokenizer } from '../../../src/call.ts';
import { promptBounds } from '../../../src/wire/prompt-bounds.ts';
import { tokenizerOf } from '../../../src/wire/tokenizer.ts';

const o200k: Tokenizer = { encoding: 'o200k_base', marginPercent: 0 };
const counter = await PromptTokens.open([{ tokenizer: o200k }]);
const asking = (texts: readonly string[], otherTokens = 0): ModelAsk => {
  return { name: 'm', maxTokens: 1, tools: [], choices: 1, ...promptBounds({ texts, otherTokens }) };
};
const count = (text: string, tokenizer: Tokenizer = o200k) => counter.of(asking([text]), { tokenizer });

test('a prompt is counted as the tokenizer of its target does, with what is no text beside it', () => {
  const prose = 'The agent that spent four hundred dollars on a page that was not there. '.repeat(40);
  const texts = [prose, 'short', 'Ein längerer Satz über Währungen – 12.345,67 €', 'こんにちは、世界'];
  const exact = texts.reduce((sum, text) => sum + countTokens(text), 0);
  assert.equal(counter.of(asking(texts, 100), { tokenizer: o200k }), exact + 100);
  // A second time it is remembered, and the same.
  assert.equal(counter.of(asking(texts, 100), { tokenizer: o200k }), exact + 100);
  assert.ok(exact * 3 < Buffer.byteLength(texts.join('')), 'three times less than the bytes');
});

test('a target without a tokenizer, or with one that was not loaded, is counted by bytes', () => {
  const ask = asking(['twelve bytes'], 5);
  assert.equal(counter.of(ask, {}), 17);
  assert.equal(counter.of(ask, { tokenizer: { encoding: 'cl100k_base', marginPercent: 0 } }), 17);
});

test('a margin is added to the text, and the count is never more than the bytes', () => {
  const text = 'one two three four five six seven eight';
  assert.equal(count(text, { ...o200k, marginPercent: 50 }), 12);
  assert.equal(count(text, { ...o200k, marginPercent: 1000 }), Buffer.byteLength(text));
});

test('what looks like a special token of the model is counted as the text that it is', () => {
  assert.equal(count('<|endoftext|>'), countTokens('<|endoftext|>', { disallowedSpecial: new Set() }));
  assert.ok(count('<|endoftext|>') > 1);
});

test('words without an end take no time, and are never counted too low', () => {
  const startMs = performance.now();
  for (const unit of ['a', ' ', '=', '9', 'é', '\n', 'ß', '語']) {
    const text = unit.repeat(200_000);
    const tokens = count(text);
    assert.ok(tokens <= Buffer.byteLength(text) && tokens >= 200_000 / 128, `${unit}: ${tokens}`);
  }
  // The encoder alone takes forty seconds for one of them.
  assert.ok(performance.now() - startMs < 10_000);
});

test('a text with long runs in it is never counted lower than the encoder counts it', () => {
  const texts = [
    `${'x'.repeat(300)} and then ${'-'.repeat(500)}|${' '.repeat(400)}end`,
    `{"data":"${Buffer.from('some bytes '.repeat(60)).toString('base64url')}","n":${'7'.repeat(400)}}`,
    `${'word '.repeat(100)}${'\t'.repeat(200)}\n${'ü'.repeat(170)}`,
  ];
  for (const text of texts) assert.ok(count(text) >= countTokens(text), text.slice(0, 40));
});

test('models of OpenAI have the tokenizer that it publishes for them, all others are counted by bytes', () => {
  const named = (model: string, provider = 'openai') => tokenizerOf({ provider, model })?.encoding ?? 'bytes';
  const o200kModels = [
    'gpt-4o',
    'gpt-4o-mini-2024-07-18',
    'gpt-4.1',
    'gpt-5.6-terra',
    'gpt-5',
    'o1',
    'o3-mini',
    'o4-mini',
  ];
  for (const model of o200kModels) assert.equal(named(model), 'o200k_base', model);
  const cl100kModels = [
    'gpt-4',
    'gpt-4-turbo',
    'gpt-3.5-turbo-0125',
    'text-embedding-3-small',
    'text-embedding-ada-002',
  ];
  for (const model of cl100kModels) assert.equal(named(model), 'cl100k_base', model);
  for (const model of ['gpt-real', 'our-own-7b', 'gpt-6', 'o1x', 'claude-sonnet-5'])
    assert.equal(named(model), 'bytes', model);
  assert.equal(named('gpt-4o', 'anthropic'), 'bytes');
  assert.equal(named('gpt-4o', 'azure'), 'o200k_base');
  assert.deepEqual(
    tokenizerOf({ provider: 'anthropic', model: 'c', tokenizer: 'o200k_base', tokenizer_margin_percent: 40 }),
    {
      encoding: 'o200k_base',
      marginPercent: 40,
    },
  );
  assert.equal(tokenizerOf({ provider: 'openai', model: 'gpt-4o', tokenizer: 'bytes' }), undefined);
});
