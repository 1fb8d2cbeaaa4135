/**
 * A small registry of metrics in Prometheus' text format (0.0.4). Labels are bounded twice: callers only hand in what
 * the configuration names, and a metric that has its full number of series counts everything further under `other`.
 * Counting is a look-up and an addition; whatever must be asked for is asked when somebody scrapes.
 */

/** The most series of one metric. */
export const seriesMax = 2_000;
const overflow = 'other';

type Labels = readonly string[];

/** One sample of a gauge that is read at a scrape: its label values, and the value. */
export type Reading = readonly [labels: Labels, value: number];

interface Metric {
  readonly name: string;
  lines(): Iterable<string>;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

function series(name: string, names: Labels, values: Labels, more = ''): string {
  const pairs = names.map((label, index) => `${label}="${escaped(values[index] ?? '')}"`);
  if (more !== '') pairs.push(more);
  return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
}

function numeral(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return Number.isNaN(value) ? 'NaN' : String(value);
}

/** Series by their label values, within the bound. */
class SeriesMap<State> {
  readonly #make: (labels: Labels) => State;
  readonly #labelCount: number;
  readonly #series = new Map<string, { readonly labels: Labels; readonly state: State }>();

  constructor(labelCount: number, make: (labels: Labels) => State) {
    this.#labelCount = labelCount;
    this.#make = make;
  }

  of(labels: Labels): State {
    const key = labels.length === 1 ? (labels[0] as string) : labels.join('\u0000');
    const known = this.#series.get(key);
    if (known !== undefined) return known.state;
    if (this.#series.size >= seriesMax && labels.some((label) => label !== overflow)) {
      return this.of(Array.from({ length: this.#labelCount }, () => overflow));
    }
    const made = { labels: [...labels], state: this.#make(labels) };
    this.#series.set(key, made);
    return made.state;
  }

  [Symbol.iterator](): Iterator<{ readonly labels: Labels; readonly state: State }> {
    return this.#series.values();
  }
}

export class Counter implements Metric {
  readonly name: string;
  readonly #labels: Labels;
  readonly #series: SeriesMap<{ value: number }>;

  constructor(name: string, labels: Labels) {
    this.name = name;
    this.#labels = labels;
    this.#series = new SeriesMap(labels.length, () => ({ value: 0 }));
    // A counter without labels is there from the start, so that its first increase shows.
    if (labels.length === 0) this.#series.of([]);
  }

  /** `by` must not be negative. */
  add(labels: Labels, by = 1): void {
    this.#series.of(labels).value += by;
  }

  *lines(): Iterable<string> {
    for (const { labels, state } of this.#series) {
      yield `${series(this.name, this.#labels, labels)} ${numeral(state.value)}`;
    }
  }
}

/** Observations in seconds, counted into buckets. */
export class Histogram implements Metric {
  readonly name: string;
  readonly #labels: Labels;
  readonly #bounds: readonly number[];
  readonly #series: SeriesMap<{ readonly counts: number[]; sum: number; count: number }>;

  /** `bounds` are upper bounds in rising order, without infinity. */
  constructor(name: string, labels: Labels, bounds: readonly number[]) {
    this.name = name;
    this.#labels = labels;
    this.#bounds = bounds;
    this.#series = new SeriesMap(labels.length, () => ({ counts: bounds.map(() => 0), sum: 0, count: 0 }));
  }

  observe(labels: Labels, seconds: number): void {
    const state = this.#series.of(labels);
    state.sum += seconds;
    state.count++;
    const bounds = this.#bounds;
    for (let index = 0; index < bounds.length; index++) {
      if (seconds <= (bounds[index] as number)) {
        state.counts[index] = (state.counts[index] as number) + 1;
        return;
      }
    }
  }

  *lines(): Iterable<string> {
    for (const { labels, state } of this.#series) {
      let sum = 0;
      for (const [index, bound] of this.#bounds.entries()) {
        sum += state.counts[index] as number;
        yield `${series(`${this.name}_bucket`, this.#labels, labels, `le="${bound}"`)} ${sum}`;
      }
      yield `${series(`${this.name}_bucket`, this.#labels, labels, 'le="+Inf"')} ${state.count}`;
      yield `${series(`${this.name}_sum`, this.#labels, labels)} ${numeral(state.sum)}`;
      yield `${series(`${this.name}_count`, this.#labels, labels)} ${state.count}`;
    }
  }
}

/** A value that somebody else keeps and that is read at each scrape. */
class Reader implements Metric {
  readonly name: string;
  readonly #labels: Labels;
  readonly #read: () => readonly Reading[];

  constructor(name: string, labels: Labels, read: () => readonly Reading[]) {
    this.name = name;
    this.#labels = labels;
    this.#read = read;
  }

  *lines(): Iterable<string> {
    for (const [labels, value] of this.#read().slice(0, seriesMax)) {
      yield `${series(this.name, this.#labels, labels)} ${numeral(value)}`;
    }
  }
}

export class MetricRegistry {
  readonly #metrics: { readonly metric: Metric; readonly type: string; readonly help: string }[] = [];

  counter(name: string, help: string, labels: Labels = []): Counter {
    return this.#add(new Counter(name, labels), 'counter', help);
  }

  histogram(name: string, help: string, labels: Labels, bounds: readonly number[]): Histogram {
    return this.#add(new Histogram(name, labels, bounds), 'histogram', help);
  }

  /** A gauge, or a counter that the system keeps (`type`), read at each scrape; one that throws is left out of it. */
  reader(
    name: string,
    help: string,
    labels: Labels,
    read: () => readonly Reading[],
    type: 'gauge' | 'counter' = 'gauge',
  ): void {
    this.#add(new Reader(name, labels, read), type, help);
  }

  /** Everything, in Prometheus' text format. */
  exposition(): string {
    const out: string[] = [];
    for (const { metric, type, help } of this.#metrics) {
      out.push(`# HELP ${metric.name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`);
      out.push(`# TYPE ${metric.name} ${type}`);
      try {
        out.push(...metric.lines());
      } catch {
        // A part that cannot be read now must not hide the others.
      }
    }
    return `${out.join('\n')}\n`;
  }

  #add<Kind extends Metric>(metric: Kind, type: string, help: string): Kind {
    if (this.#metrics.some((other) => other.metric.name === metric.name)) {
      throw new Error(`the metric ${metric.name} is there already`);
    }
    this.#metrics.push({ metric, type, help });
    return metric;
  }
}
