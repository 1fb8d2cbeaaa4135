import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { checkTelemetry, type TelemetryConfig, telemetrySection } from '../../../src/telemetry/section.ts';

function read(value: object): TelemetryConfig | undefined {
  const validate = new Ajv2020({ useDefaults: true, strict: false }).compile<TelemetryConfig>(telemetrySection);
  return validate(value) ? value : undefined;
}

test('left out, it logs what matters, samples every trace, answers scrapes, and exports nothing', () => {
  assert.deepEqual(read({}), { log: 'info', sample: 1, baggage: [], prometheus: true });
  assert.deepEqual(read({ otlp: { url: 'http://127.0.0.1:4318' } })?.otlp, {
    url: 'http://127.0.0.1:4318',
    headers: {},
  });
});

test('what cannot be meant is refused', () => {
  for (const wrong of [
    { sample: 1.1 },
    { sample: -0.1 },
    { baggage: ['a b'] },
    { baggage: ['a', 'a'] },
    { otlp: {} },
    { otlp: { url: 'grpc://collector:4317' } },
    { otlp: { url: 'http://user:key@collector:4318' } },
    { otlp: { url: 'http://collector:4318', headers: { 'x-key': 'a\r\nb: c' } } },
    { otlp: { url: 'http://collector:4318', headers: { 'x key': 'a' } } },
    { prometheus_token: 'short' },
    { unknown: 1 },
  ])
    assert.equal(read(wrong), undefined, JSON.stringify(wrong));
});

test('a token for scrapes without scrapes is a fault', () => {
  const config = read({ prometheus: false, prometheus_token: 'x'.repeat(16) }) as TelemetryConfig;
  assert.deepEqual(
    checkTelemetry(config).map(({ pointer }) => pointer),
    ['/telemetry/prometheus_token'],
  );
  assert.deepEqual(checkTelemetry({ ...config, prometheus: true }), []);
});
