/**
 * Reads metrics as Prometheus does (text format 0.0.4), and strictly: every sample belongs to a metric whose help and
 * type came before it, no series comes twice, and the buckets of a histogram rise to its count.
 */
import assert from 'node:assert/strict';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Scrape {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** The value of one series, given at least these labels; the sum if several have them; 0 if there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
}

const sampleForm = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.e+-]+|[+-]Inf|NaN)$/;
const labelForm = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  labelForm.lastIndex = 0;
  while (labelForm.lastIndex < text.length) {
    const at = labelForm.lastIndex;
    const [, name = '', value = ''] = labelForm.exec(text) ?? [];
    assert.ok(name !== '', `labels cannot be read at ${at}: ${text}`);
    assert.equal(Object.hasOwn(labels, name), false, `the label ${name} comes twice`);
    labels[name] = value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
  }
  return labels;
}

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  return Number(text);
}

/** Throws an AssertionError at the first thing that Prometheus would not take. */
export function scrape(text: string): Scrape {
  assert.ok(text.endsWith('\n'), 'the last line must end');
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const line of text.slice(0, -1).split('\n')) {
    const [, word, metric = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (word === 'HELP') helped.add(metric);
    else if (word === 'TYPE') {
      assert.ok(helped.has(metric) && !types.has(metric), `the type of ${metric} comes once, after its help`);
      assert.ok(['counter', 'gauge', 'histogram'].includes(rest), line);
      types.set(metric, rest);
    } else {
      const [, name = '', labelText = '', value = ''] = sampleForm.exec(line) ?? [];
      assert.ok(name !== '', `a line that cannot be read: ${line}`);
      const labels = labelsOf(labelText);
      const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
      assert.ok(types.has(family), `${name} has no type`);
      assert.equal(types.get(family) === 'histogram', family !== name, `${name} does not fit its type`);
      const key = JSON.stringify([name, Object.entries(labels).toSorted()]);
      assert.equal(seen.has(key), false, `the series comes twice: ${line}`);
      seen.add(key);
      samples.push({ name, labels, value: numberOf(value) });
    }
  }
  checkBuckets(samples);
  return {
    types,
    samples,
    value: (name, labels = {}) =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
        .reduce((sum, { value }) => sum + value, 0),
  };
}

function checkBuckets(samples: readonly Sample[]): void {
  const last = new Map<string, { le: number; value: number }>();
  for (const { name, labels, value } of samples) {
    const { le, ...others } = labels;
    const key = JSON.stringify([name.replace(/_(bucket|count)$/, ''), others]);
    if (name.endsWith('_bucket')) {
      const before = last.get(key) ?? { le: Number.NEGATIVE_INFINITY, value: 0 };
      const bound = numberOf(le ?? '');
      assert.ok(bound > before.le && value >= before.value, `${name}: buckets must rise`);
      last.set(key, { le: bound, value });
    } else if (name.endsWith('_count')) {
      assert.deepEqual(last.get(key), { le: Number.POSITIVE_INFINITY, value }, `${name} must be its last bucket`);
    }
  }
}
