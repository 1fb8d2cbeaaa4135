/** Answers that flow, from the chunks of a model to the bytes of the agent: what was planted, wherever it is split. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding, Frame, Obligations } from '../../../src/call.ts';
import type { Denial } from '../../../src/denial.ts';
import { obey } from '../../../src/inspection/obey.ts';
import { Inspector } from '../../../src/inspection/scan.ts';
import { StreamInspection, unmetOnStream } from '../../../src/inspection/stream.ts';
import { ChatAnswer } from '../../../src/wire/dialects/openai/answer.ts';
import { readChatStream } from '../../../src/wire/dialects/openai/stream.ts';
import { StreamRecord } from '../../../src/wire/stream-record.ts';
import { decisionWith, digestKey } from './document.ts';
import { Generator } from './generate.ts';

const inspector = new Inspector();
const generator = new Generator(7);
const planted: Readonly<Record<string, string>> = {
  email: 'ann.lee@example.com',
  card: '4111 1111 1111 1111',
  iban: 'DE89 3704 0044 0532 0130 00',
  api_key: generator.apiKey(),
  aws: `${['AK', 'IA'].join('')}QWERTYUIOPASDF23`,
  openai: ['sk', '-'].join('') + generator.chars('abcDEF0123456789', 40),
  private_key: generator.privateKey().slice(0, 420),
  jwt: generator.jwt(),
};
const types = ['email', 'card', 'iban', 'api_key', 'private_key', 'jwt'];
const redactAll: Obligations = { redact: types.map((type) => ({ type })) };

interface Delta {
  readonly content?: string;
  readonly reasoning_content?: string;
  readonly refusal?: string;
  readonly tool_calls?: readonly object[];
}

const base = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt' };
const chunk = (delta: Delta, index = 0, more: object = {}): string =>
  `data: ${JSON.stringify({ ...base, choices: [{ index, delta, ...more }] })}\n\n`;
const ending = `${chunk({}, 0, { finish_reason: 'stop' })}data: [DONE]\n\n`;
const args = (text: string, index = 0): Delta => ({ tool_calls: [{ index, function: { arguments: text } }] });

interface Streamed {
  readonly bytes: string;
  readonly text: string;
  readonly arguments: readonly string[];
  readonly findings: readonly Finding[];
  readonly denial: Denial | undefined;
  /** How many frames had gone out after each that came. */
  readonly passed: readonly number[];
}

async function streamed(wire: readonly string[], obligations: Obligations): Promise<Streamed> {
  const inspection = new StreamInspection({ inspector, obligations, digestKey, windowChars: 64 });
  const head = { status: 200, headers: { 'content-type': 'text/event-stream' } };
  const body = (async function* () {
    for (const part of wire) yield Buffer.from(part);
  })();
  const record = new StreamRecord();
  const out: Frame[] = [];
  const passed: number[] = [];
  for await (const frame of readChatStream(head, body, { route: 'gpt', usage: true })) {
    out.push(...inspection.push(frame));
    passed.push(out.length);
  }
  out.push(...inspection.end());
  for (const frame of out) record.add(frame);
  const { text, proposals } = record.summary();
  return {
    bytes: Buffer.concat(out.map(({ bytes }) => bytes)).toString(),
    text,
    arguments: proposals.map((proposal) => proposal.arguments),
    findings: inspection.findings(),
    denial: inspection.denial,
    passed,
  };
}

/** What obeying the same on the whole answer gives. */
function buffered(
  message: object,
  obligations: Obligations,
): { text: string; arguments: readonly string[]; findings: Finding[] } {
  const document = { id: 'x', model: 'gpt', choices: [{ index: 0, message, finish_reason: 'stop' }] };
  const head = { status: 200, headers: { 'content-type': 'application/json' } };
  const answer = new ChatAnswer('gpt', head, Buffer.from(JSON.stringify(document)));
  const findings = inspector.scan(answer.segments());
  obey(inspector, answer, findings, decisionWith(obligations), digestKey);
  return { text: answer.text, arguments: answer.proposals.map((proposal) => proposal.arguments), findings };
}

const say = (value: string): string => `Hello. It is ${value}, is it not? And then some words.`;

test('no split of a planted value in the text lets a part of it out, and the rest is as it was', async () => {
  for (const [type, value] of Object.entries(planted)) {
    const whole = say(value);
    const expected = buffered({ role: 'assistant', content: whole }, redactAll);
    assert.equal(expected.findings.length, 1, type);
    for (let at = 0; at <= whole.length; at++) {
      const wire = [whole.slice(0, at), whole.slice(at)].map((content) => chunk({ content }));
      const got = await streamed([...wire, ending], redactAll);
      assert.equal(got.text, expected.text, `${type} split at ${at}`);
      assert.deepEqual(got.findings, expected.findings);
    }
  }
});

test('the same for arguments of tool calls, with every escape that JSON has, split at every position', async () => {
  for (const [type, value] of Object.entries(planted)) {
    const plain = JSON.stringify({ note: `for ${value}`, 'a key': [1, true, { deep: 'x\ny "q" \\ z' }] });
    const escaped = plain.replaceAll(/[@4]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
    for (const whole of [plain, escaped]) {
      const expected = buffered(
        { tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: whole } }] },
        redactAll,
      );
      for (let at = 0; at <= whole.length; at++) {
        const wire = [whole.slice(0, at), whole.slice(at)].map((text) => chunk(args(text)));
        const got = await streamed([...wire, ending], redactAll);
        assert.deepEqual(JSON.parse(got.arguments[0] ?? ''), JSON.parse(expected.arguments[0] ?? ''), `${type} ${at}`);
        assert.deepEqual(got.findings, expected.findings);
      }
    }
  }
});

test('the same one character at a time, in content, reasoning, refusal and two parallel tool calls at once', async () => {
  const texts = Object.values(planted)
    .map((value) => say(value))
    .join('\n');
  const call = JSON.stringify({ note: texts, amount: 1 });
  const wire: string[] = [];
  const longest = Math.max(texts.length, call.length);
  for (let at = 0; at < longest; at++) {
    const part = (text: string) => text.slice(at, at + 1);
    wire.push(
      chunk({ content: part(texts) }),
      chunk({ reasoning_content: part(texts) }),
      chunk({ refusal: part(texts) }),
    );
    wire.push(chunk({ tool_calls: [0, 1].map((index) => ({ index, function: { arguments: part(call) } })) }));
    wire.push(chunk({ content: part(texts) }, 1));
  }
  const got = await streamed([...wire, ending], redactAll);
  const visible = got.bytes.replaceAll(/"(content|reasoning_content|refusal|arguments)":""/g, '');
  for (const value of Object.values(planted)) assert.ok(!visible.includes(value));
  for (const { count, where } of got.findings) assert.ok(count >= 1, where);
  assert.equal(got.findings.length, 6 * types.length);
  const [first, second] = got.arguments;
  assert.deepEqual(JSON.parse(first ?? ''), {
    note: inspector.redactedText(texts).replaceAll(/\[(\w+)\]/g, '[redacted:$1]'),
    amount: 1,
  });
  assert.equal(first, second);
});

test('without obligations the same stream passes as it came, byte for byte, at once, and all of it is found', async () => {
  for (const value of Object.values(planted)) {
    const whole = say(value);
    const wire = [
      ...[...whole].map((content) => chunk({ content })),
      ...[...JSON.stringify({ a: whole })].map((text) => chunk(args(text))),
    ];
    const got = await streamed([...wire, ending], {});
    assert.equal(got.bytes, wire.join('') + ending);
    assert.equal(got.text, whole);
    assert.equal(got.findings.length, 2);
    assert.deepEqual(
      got.passed,
      got.passed.map((_, index) => index + 1),
    );
  }
});

test('where there is nothing to hide every byte stays, and words go out as they come', async () => {
  const prose = 'The order was sent on Monday; it holds 3 chairs. "Fine," she said. '.repeat(3);
  const words = prose.split(/(?<= )/);
  const call = '{ "order_id" : "A-1001",\n "n": 12, "b": [true, null, -1.5e3] }';
  const wire = [
    chunk({ content: '' }),
    ...words.map((content) => chunk({ content })),
    ...call.split(/(?<= )/).map((text) => chunk(args(text))),
  ];
  const shipped = { redact: ['card', 'api_key', 'private_key', 'jwt'].map((type) => ({ type })) };
  for (const obligations of [redactAll, shipped]) {
    const got = await streamed([...wire, ending], obligations);
    assert.equal(got.bytes, wire.join('') + ending);
  }
  const got = await streamed([...wire, ending], shipped);
  for (const [index, passed] of got.passed.slice(0, words.length).entries()) assert.ok(index + 1 - passed <= 1);
});

test('a long number in arguments becomes a string when it is redacted, and what is no JSON is still read', async () => {
  const number = '{"pan":4111111111111111,"n":123456789012}';
  const got = await streamed([...[...number].map((text) => chunk(args(text))), ending], redactAll);
  assert.deepEqual(got.arguments, ['{"pan":"[redacted:card]","n":123456789012}']);
  for (const text of ['mail ann.lee@example.com now', '{note: ann.lee@example.com}', '{"a":1} ann.lee@example.com "']) {
    const raw = await streamed([...[...text].map((part) => chunk(args(part))), ending], redactAll);
    assert.equal(raw.arguments[0], text.replace('ann.lee@example.com', '[redacted:email]'));
  }
});

test('masks and hashes are those of a buffered answer', async () => {
  for (const obligations of [
    { mask: [{}] },
    { hash: [{}] },
    { mask: [{ type: 'card' }], redact: [{ type: 'email' }] },
  ]) {
    const whole = Object.values(planted).map(say).join(' ');
    const expected = buffered({ content: whole }, obligations);
    const got = await streamed([...whole.split(/(?<=\d)/).map((content) => chunk({ content })), ending], obligations);
    assert.equal(got.text, expected.text);
  }
});

test('a blocked finding ends the stream before any byte of it went out', async () => {
  const whole = say(planted.email as string);
  for (let at = 0; at <= whole.length; at++) {
    const wire = [whole.slice(0, at), whole.slice(at)].map((content) => chunk({ content }));
    const got = await streamed([...wire, ending], { block: [{ type: 'email' }] });
    assert.equal(got.denial?.code, 'pii_blocked');
    assert.ok(!got.bytes.includes('ann'), got.bytes);
    assert.ok(!got.bytes.includes('[DONE]'));
  }
  const secret = await streamed([chunk({ content: say(planted.openai as string) }), ending], {
    block: [{ type: 'api_key' }],
  });
  assert.equal(secret.denial?.code, 'secret_blocked');
  assert.ok(!JSON.stringify(secret.denial).includes(planted.openai as string));
});

test('a text that stands still does not hold up the others for longer than the window', async () => {
  const words = 'So the answer is this and that and much more of it. '.repeat(6).split(/(?<= )/);
  const wire = [chunk({ reasoning_content: 'I think it is ann' }), ...words.map((content) => chunk({ content }))];
  const got = await streamed([...wire, ending], redactAll);
  assert.equal(got.bytes, wire.join('') + ending);
  const first = got.passed.findIndex((passed) => passed > 0);
  assert.ok(first > 1 && first < 20, `the first frame went out after ${first}`);
});

test('logprobs, ids, names and other members of a chunk do not tell what was taken out', async () => {
  const value = planted.email as string;
  const logprobs = { content: [...value].map((token) => ({ token, logprob: -1 })) };
  const wire = [
    `data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta: { content: `to ${value} ` }, logprobs }] })}\n\n`,
    chunk({ tool_calls: [{ index: 0, id: value, type: value, function: { name: value, arguments: '' } }] }),
    chunk({ tool_calls: [{ index: 1, custom: { name: 'f', input: `x ${value} y` } }] }),
    `data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta: { role: value } }], citations: [value], [value]: 1 })}\n\n`,
    `data: ${JSON.stringify({ ...base, id: { of: value }, choices: [{ index: 0, delta: { content: 'x ' } }] })}\n\n`,
    `data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta: { content: 'x ' }, finish_reason: value }] })}\n\n`,
    `data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta: { details: [{ text: value }] } }] })}\n\n`,
  ];
  const got = await streamed([...wire, ending], redactAll);
  assert.ok(!got.bytes.includes('ann'), got.bytes);
  assert.match(got.bytes, /"logprobs":null/);
});

test('what cannot be met on a stream is refused by name', () => {
  assert.equal(unmetOnStream(redactAll), undefined);
  assert.equal(unmetOnStream({ block: [{}], mask: [{ type: 'card', path: '' }] }), undefined);
  const unmet = unmetOnStream({ drop: ['/choices/0'], redact: [{ type: 'card' }, { path: '/usage' }] });
  assert.equal(unmet?.code, 'policy_denied');
  assert.deepEqual(
    unmet?.reasons.map(({ code, path }) => [code, path]),
    [
      ['obligation_unmet', '/choices/0'],
      ['obligation_unmet', '/usage'],
    ],
  );
});
