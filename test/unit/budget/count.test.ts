import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunningCount } from '../../../src/budget/count.ts';
import type { Frame, ModelAsk, StreamEvent, Usage } from '../../../src/call.ts';
import { silentFrame } from '../../../src/wire/frame.ts';

const ask: ModelAsk = { name: 'gpt', maxTokens: 50, tools: [], promptTokensMax: 100, choices: 1 };
const count = (limit: number): RunningCount => new RunningCount({ tokens: 100 + limit, answerTokens: limit }, ask);
const frame = (...events: StreamEvent[]): Frame => silentFrame(Buffer.alloc(0), events);
const says = (text: string): Frame => frame({ type: 'text', text });
const usage = (outputTokens: number): Usage => ({ inputTokens: 9, outputTokens, cachedInputTokens: 0 });

/** How many of `frames` pass. */
function passed(counter: RunningCount, frames: Iterable<Frame>): number {
  let passing = 0;
  for (const one of frames) {
    if (counter.over(one)) return passing;
    passing++;
  }
  return passing;
}

test('a stream of a token a chunk is cut at its limit, whatever its chunks are of', () => {
  const endless = (make: (index: number) => Frame): Frame[] => Array.from({ length: 500 }, (_, index) => make(index));
  assert.equal(
    passed(
      count(50),
      endless(() => says('word ')),
    ),
    50,
  );
  assert.equal(
    passed(
      count(50),
      endless(() => frame({ type: 'reasoning', text: 'hm, ' })),
    ),
    50,
  );
  assert.equal(
    passed(
      count(50),
      endless(() => frame({ type: 'tool_arguments', index: 0, text: '"ab' })),
    ),
    50,
  );
  assert.equal(
    passed(
      count(50),
      endless((index) => says(index % 2 === 0 ? 'two ' : 'of ')),
    ),
    50,
  );
});

test("the provider's own count is believed where it comes along", () => {
  const frames = Array.from({ length: 500 }, (_, index) =>
    frame({ type: 'text', text: 'several words at once ' }, { type: 'usage', usage: usage((index + 1) * 5) }),
  );
  const counter = count(50);
  assert.equal(passed(counter, frames), 10);
  assert.deepEqual(counter.counted(), usage(55));
});

test('an honest answer is never cut: of any script, in single characters, in one piece, of long runs', () => {
  // With their tokens in o200k_base.
  const honest: readonly (readonly [string, number])[] = [
    ['The responsibilities of the administration notwithstanding, everything was delivered on time. ', 14],
    ['今日は良い天気ですので、公園を散歩しましょう。', 15],
    ['Пожалуйста, подтвердите получение вашего заказа.', 10],
    ['कृपया अपने आदेश की पुष्टि करें। यह बहुत महत्वपूर्ण है।', 15],
    ['{"order_id":"A-1001","amount_cents":1299,"currency":"EUR"}', 20],
    [`|${'-'.repeat(60)}|${'-'.repeat(60)}|\n`, 7],
  ];
  for (const [text, tokens] of honest) {
    for (const pieces of [[text], [...text], text.split(/(?<= )/)]) {
      const counter = count(tokens);
      assert.equal(passed(counter, pieces.map(says)), pieces.length, `${text} in ${pieces.length}`);
    }
  }
});

test('many tokens in few chunks are cut by their length', () => {
  const frames = Array.from({ length: 100 }, () =>
    says('many words in one chunk, many more than its limit has '.repeat(4)),
  );
  assert.ok(passed(count(50), frames) <= 3);
});

test('what has no text is never too much, nor is a call that is not to a model', () => {
  const counter = count(1);
  assert.equal(counter.over(says('one ')), false);
  assert.equal(counter.over(frame({ type: 'usage', usage: usage(90) }, { type: 'end', reason: 'stop' })), false);
  const tool = new RunningCount({ tokens: 0, answerTokens: 0 }, null);
  assert.equal(
    passed(
      tool,
      Array.from({ length: 100 }, () => says('word ')),
    ),
    100,
  );
});

test('what is settled is the last word of the provider, or more than was reserved, else the reservation', () => {
  const left = count(50);
  left.over(frame({ type: 'usage', usage: usage(1) }));
  assert.equal(left.settled(false), null, 'it may think on unseen');
  left.over(frame({ type: 'text', text: 'a word ' }, { type: 'usage', usage: usage(2) }));
  assert.equal(left.settled(false), null, 'it may write on until it notices');
  left.over(frame({ type: 'usage', usage: usage(2) }));
  assert.deepEqual(left.settled(false), usage(2));
  left.over(says('more '));
  assert.equal(left.settled(false), null);
  assert.deepEqual(left.settled(true), usage(2));
  const error = frame({ type: 'text', text: 'overloaded' }, { type: 'end', reason: 'error' });
  left.over(error);
  assert.equal(left.settled(true), null, 'what came after the count is not known');
  const early = count(50);
  early.over(frame({ type: 'usage', usage: usage(1) }));
  early.over(error);
  assert.deepEqual(early.settled(true), usage(1), 'nothing was written but the error');
  const much = count(50);
  much.over(frame({ type: 'usage', usage: usage(200) }));
  much.over(says('more '));
  assert.deepEqual(much.settled(false), usage(200));
  assert.equal(count(50).settled(false), null);
  assert.deepEqual(count(50).counted(), { inputTokens: 100, outputTokens: 0, cachedInputTokens: 0 });
});
