/**
 * What each gateway runs, told to all: every gateway of a store keeps one report there, renews it, and can list those
 * of the others. What a reader would get wrong: a report is what a gateway said a moment ago; one that is gone has not
 * been renewed for a minute, which says nothing of why.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { Clock, Timer } from '../../clock.ts';
import { isDenial } from '../../denial.ts';
import { type Store, storeKey } from '../../store/store.ts';
import { updateRecord } from '../../store/update.ts';
import type { Standing } from './rollout-desk.ts';
import type { RolledOut } from './rollout-state.ts';

const renewMs = 10_000;
const keptMs = 60_000;
/** As many as one range of an index gives. */
export const gatewaysMax = 1_000;
const atOnceMax = 32;

/** An index lies in the slot of a tenant; this is none's. */
const indexKey = storeKey('@', 'policy-reports');
const reportKey = (gateway: string) => storeKey('', 'policy-report', gateway);

/** What a gateway runs. The stable bundle, where it has one loaded; the candidate, where it has one. */
export interface ReportFacts {
  readonly bundle: string;
  readonly revision: string | null;
  readonly content: string | null;
  readonly candidate: RolledOut | null;
  readonly standing: Pick<Standing, 'stage' | 'percent'>;
  /** Why the newest bundle, or the newest candidate, is not loaded. */
  readonly lastError: string | null;
  readonly candidateError: string | null;
  /** What an operator should know of it, by a code. */
  readonly note: string | null;
}

export interface GatewayReport extends ReportFacts {
  readonly gateway: string;
  readonly cloud: string;
  readonly region: string;
  readonly atMs: number;
}

export interface GatewayReportsParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'delete' | 'indexAdd' | 'indexRemove' | 'indexRange'>;
  readonly clock: Clock;
  readonly gateway: { readonly id: string; readonly cloud: string; readonly region: string };
  readonly facts: () => ReportFacts;
  /** Told of each report that was written, with what it said, while those of the others are there to be listed. */
  readonly renewed?: (own: GatewayReport) => Promise<void>;
  readonly faulted: (where: string, fault: unknown) => void;
}

export class GatewayReports implements AsyncDisposable {
  readonly #parts: GatewayReportsParts;
  #timer: Timer | null = null;
  #writing: Promise<void> = Promise.resolve();
  #opened = false;
  #again = false;
  #busy = false;
  #away = false;
  #stopped = false;
  #written = false;
  /** When the store had lost the report of this gateway; monotonic. */
  #lostMs: number | null = null;

  constructor(parts: GatewayReportsParts) {
    this.#parts = parts;
  }

  /** Writes the first report, and renews it from now on. Never rejects. */
  async open(): Promise<void> {
    this.#opened = true;
    await this.refresh();
    this.#arm();
  }

  /** What this gateway says of itself now. */
  own(): GatewayReport {
    const { gateway, facts, clock } = this.#parts;
    const { id, cloud, region } = gateway;
    return { gateway: id, cloud, region, ...facts(), atMs: clock.nowMs() };
  }

  /** Writes the report anew, for something has changed. Calls that come meanwhile end in one more write. Never rejects. */
  refresh(): Promise<void> {
    this.#again = true;
    if (this.#opened && !this.#busy && !this.#stopped) {
      this.#busy = true;
      this.#writing = this.#writeAll().finally(() => {
        this.#busy = false;
      });
    }
    return this.#writing;
  }

  /** Of every gateway of the store that has reported within a minute, by name. Rejects with `StoreUnavailable`. */
  async list(): Promise<readonly GatewayReport[]> {
    const { store } = this.#parts;
    const names = await store.indexRange(indexKey, { limit: gatewaysMax });
    const found: GatewayReport[] = [];
    for (let from = 0; from < names.length; from += atOnceMax) {
      const rows = await Promise.all(names.slice(from, from + atOnceMax).map((name) => store.get(reportKey(name))));
      found.push(...rows.flatMap((row) => (row === undefined ? [] : (parseReport(row.value) ?? []))));
    }
    return found.toSorted((one, other) => (one.gateway < other.gateway ? -1 : 1));
  }

  /** Takes the report away: a gateway that has ended runs nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#writing;
    const { store, gateway, faulted } = this.#parts;
    try {
      await store.indexRemove(indexKey, gateway.id);
      await store.delete(reportKey(gateway.id));
    } catch (fault) {
      faulted('rollout', fault);
    }
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.clock.after(renewMs, () => {
      void this.refresh().finally(() => this.#arm());
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#write();
        this.#away = false;
      } catch (fault) {
        if (!this.#away) this.#parts.faulted('rollout', fault);
        this.#away = true;
      }
    }
  }

  async #write(): Promise<void> {
    const { store, clock, renewed } = this.#parts;
    const own = this.own();
    const written = await updateRecord<Json>(store, reportKey(own.gateway), keptMs, () => reportDocument(own));
    if (isDenial(written)) throw new Error(`the report could not be written: ${written.message}`);
    await store.indexAdd(indexKey, own.gateway, keptMs);
    // A store that has lost this report has lost those of others, too: until they have renewed them, nobody has them all.
    if (written.version === 1 && this.#written) this.#lostMs = clock.monotonicMs();
    this.#written = true;
    if (this.#lostMs === null || clock.monotonicMs() - this.#lostMs >= keptMs) await renewed?.(own);
  }
}

/** A report as JSON: as the store keeps it, and the admin plane shows it. */
export function reportDocument(report: GatewayReport): JsonObject {
  const { gateway, cloud, region, bundle, revision, content, candidate, standing, note, atMs } = report;
  return {
    ...{ gateway, cloud, region, bundle, revision, content },
    candidate: candidate === null ? null : { revision: candidate.revision, content: candidate.content },
    ...{ stage: standing.stage, percent: standing.percent },
    ...{ last_error: report.lastError, candidate_error: report.candidateError, note, at: new Date(atMs).toISOString() },
  };
}

/** What another gateway, perhaps of another version, said; null for what is no report. */
function parseReport(value: Json): GatewayReport | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const said = value as JsonObject;
  const text = (name: string) => (typeof said[name] === 'string' ? said[name] : null);
  const [gateway, bundle, stage] = [text('gateway'), text('bundle'), text('stage')];
  const atMs = Date.parse(text('at') ?? '');
  if (gateway === null || bundle === null || stage === null || Number.isNaN(atMs)) return null;
  const { candidate: tried = null, percent } = said;
  const { revision, content } = (tried ?? {}) as Partial<Record<keyof RolledOut, Json>>;
  return {
    ...{ gateway, bundle, atMs, cloud: text('cloud') ?? '', region: text('region') ?? '' },
    ...{ revision: text('revision'), content: text('content'), note: text('note') },
    candidate: typeof revision === 'string' && typeof content === 'string' ? { revision, content } : null,
    standing: { stage: stage as Standing['stage'], percent: typeof percent === 'number' ? percent : 0 },
    ...{ lastError: text('last_error'), candidateError: text('candidate_error') },
  };
}
