import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type SseEvent, SseParser, sseEvent } from '../../../src/wire/sse.ts';

const stream = Buffer.from(
  '\ufeff: welcome\n\ndata: one\n\nevent: greeting\r\ndata: zwei\r\ndata:  drei é😀\r\nid: 7\r\n\r\ndata:vier\r\r\n' +
    ': only a comment\n\ndata\n\n\n\ndata: {"a":1}\n\ndata: rest',
);

function parse(bytes: Buffer, size: number): SseEvent[] {
  const parser = new SseParser();
  const events: SseEvent[] = [];
  for (let at = 0; at < bytes.length; at += size) events.push(...parser.push(bytes.subarray(at, at + size)));
  const rest = parser.end();
  return rest === undefined ? events : [...events, rest];
}

describe('server-sent events', () => {
  test('are read with LF, CRLF and CR, comments and fields without a value', () => {
    const said = parse(stream, stream.length).filter(({ data }) => data !== null);
    assert.deepEqual(
      said.map(({ event, data, complete }) => ({ event, data, complete })),
      [
        { event: '', data: 'one', complete: true },
        { event: 'greeting', data: 'zwei\n drei é😀', complete: true },
        { event: '', data: 'vier', complete: true },
        { event: '', data: '', complete: true },
        { event: '', data: '{"a":1}', complete: true },
        { event: '', data: 'rest', complete: false },
      ],
    );
  });

  test('are the same, and keep their bytes, wherever the stream is split in two', () => {
    const meaning = (events: readonly SseEvent[]) =>
      events.filter(({ data }) => data !== null).map(({ event, data }) => [event, data]);
    const whole = meaning(parse(stream, stream.length));
    for (let at = 1; at < stream.length; at++) {
      const parser = new SseParser();
      const events = [...parser.push(stream.subarray(0, at)), ...parser.push(stream.subarray(at))];
      const rest = parser.end();
      if (rest !== undefined) events.push(rest);
      assert.deepEqual(meaning(events), whole, `split at ${at}`);
      assert.deepEqual(Buffer.concat(events.map(({ raw }) => raw)), stream, `split at ${at}`);
    }
  });

  test('are the same in chunks of any size', () => {
    const whole = parse(stream, stream.length)
      .map(({ data }) => data)
      .filter((data) => data !== null);
    for (let size = 1; size < 12; size++) {
      const events = parse(stream, size);
      assert.deepEqual(
        events.map(({ data }) => data).filter((data) => data !== null),
        whole,
      );
      assert.deepEqual(Buffer.concat(events.map(({ raw }) => raw)), stream);
    }
  });

  test('beyond the limit stop the parser, also without a line end', () => {
    for (const text of ['data: '.padEnd(2000, 'x'), ':\n'.repeat(1000), 'data: a\n'.repeat(300)]) {
      const parser = new SseParser(1000);
      for (const byte of Buffer.from(text)) parser.push(Buffer.from([byte]));
      assert.equal(parser.overflowed, true);
      assert.deepEqual(parser.push(Buffer.from('\n\ndata: later\n\n')), []);
    }
  });

  test('that the gate writes read back as what was written', () => {
    assert.deepEqual(
      parse(sseEvent('{"a":1}\n{"b":2}'), 100).map(({ data }) => data),
      ['{"a":1}\n{"b":2}'],
    );
  });
});
