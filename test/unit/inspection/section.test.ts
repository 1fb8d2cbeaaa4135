import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import Type from 'typebox';
import { CustomPattern, unsafePattern } from '../../../src/inspection/pattern.ts';
import { recognizers } from '../../../src/inspection/recognizers/index.ts';
import { checkInspection, type InspectionConfig, inspectionSection } from '../../../src/inspection/section.ts';

/** The section as the config room reads it: a member of the whole file, with defaults filled in. */
function filled(section?: unknown): { valid: boolean; config: InspectionConfig } {
  const ajv = new Ajv({ useDefaults: true, allErrors: true });
  const whole = Type.Object({ inspection: inspectionSection });
  const file = (section === undefined ? {} : { inspection: structuredClone(section) }) as {
    inspection: InspectionConfig;
  };
  return { valid: ajv.validate(whole, file), config: file.inspection };
}

test('an empty section runs every built-in recognizer and nothing of its own', () => {
  for (const { valid, config } of [filled(), filled({})]) {
    assert.equal(valid, true);
    assert.deepEqual(config, { recognizers: recognizers.map(({ name }) => name), custom: [], stream_window_chars: 64 });
  }
});

test('the schema refuses unknown recognizers, types and members', () => {
  assert.equal(filled({ recognizers: ['email', 'iban'] }).valid, true);
  assert.equal(filled({ recognizers: ['phone'] }).valid, false);
  assert.equal(filled({ custom: [{ type: 'Has Space', pattern: 'a' }] }).valid, false);
  assert.equal(filled({ custom: [{ type: 'a' }] }).valid, false);
  assert.equal(filled({ stream_window_chars: 8 }).valid, false);
});

test('faults of custom types are told with their place', () => {
  const config = filled({
    custom: [
      { type: 'fine', pattern: 'E-\\d{6}' },
      { type: 'email', pattern: 'x@y' },
      { type: 'slow', pattern: '(a+)+$' },
    ],
  }).config;
  assert.deepEqual(
    checkInspection(config).map(({ pointer }) => pointer),
    ['/inspection/custom/1/type', '/inspection/custom/2/pattern'],
  );
});

test('takes patterns whose cost is bounded', () => {
  for (const pattern of [
    'E-\\d{6}',
    '[A-Z]{2,4}-\\d{4,10}',
    '\\b(?:CUST|ACCT)[0-9]{8}\\b',
    '(?:\\d{3}-){2}\\d{4}',
    'colou?r \\[x\\]',
    '[^\\]\\s]{3}',
  ]) {
    assert.equal(unsafePattern(pattern), undefined, pattern);
  }
});

test('refuses patterns that can be made to stand still, and says why', () => {
  for (const [pattern, why] of [
    ['(a+)+', /upper bound/],
    ['a*', /upper bound/],
    ['a{2,}', /upper bound/],
    ['(?:a{1,5}){1,5}', /nested quantifiers/],
    ['(?:a|b){2}', /nested quantifiers/],
    ['(a)\\1', /back-reference/],
    ['(?<n>a)\\k<n>', /named groups/],
    ['(?=a)b', /look-around/],
    ['(?<!a)b', /look-around/],
    ['\\w{1,64}\\w{1,64}x', /more than 512 steps/],
    ['\\d{2000}', /longer than 1024/],
    ['a?', /empty text/],
    ['[a', /not closed/],
    ['(a', /not closed/],
    ['a)', /closing parenthesis/],
    ['[z-a]', /not a regular expression/],
    ['\\p{L}', /not supported/],
    ['a{x}', /not part of a quantifier/],
    ['a?+', /itself quantified/],
    ['?a', /nothing can be repeated/],
    [`${'('.repeat(20)}a${')'.repeat(20)}`, /nested deeper/],
  ] as const) {
    assert.match(unsafePattern(pattern) ?? 'taken', why, pattern);
    assert.throws(() => new CustomPattern('own', pattern), /refused/);
  }
});

test('the dearest pattern that is taken scans a long hostile text within a linear bound', () => {
  const pattern = new CustomPattern('own', '\\w{1,22}\\w{1,22}!');
  const startMs = performance.now();
  assert.deepEqual([...pattern.find('a'.repeat(200_000), '')], []);
  assert.ok(performance.now() - startMs < 4_000);
});
