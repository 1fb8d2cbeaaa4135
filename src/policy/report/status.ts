/**
 * What bundles decide here, told to a server of OPA's status API: when something changes, and at an interval. What a
 * reader would get wrong: a report says how things stand and not what happened, so a failed one is never kept; the next
 * one says it all.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { Clock, Timer } from '../../clock.ts';
import type { ReportLog, UploadFault } from './decision-log.ts';
import { type Post, postOnce } from './post.ts';
import type { StatusConfig } from './section.ts';

/** How one bundle stands. Times are wall time; null where it never happened. */
export interface BundleStatus {
  readonly name: string;
  /** Null while none is in force. */
  readonly activeRevision: string | null;
  /** Whether it decides: false before the first one, and once it has expired. */
  readonly decides: boolean;
  /** When its server was last asked, or its path last looked at. */
  readonly lastRequestMs: number | null;
  readonly lastSuccessfulRequestMs: number | null;
  readonly lastSuccessfulDownloadMs: number | null;
  readonly lastSuccessfulActivationMs: number | null;
  /** Packed, in bytes; null where it is not known. */
  readonly sizeBytes: number | null;
  /** Why the newest one is not in force; null if it is. */
  readonly fault: BundleFault | null;
}

export interface BundleFault {
  readonly message: string;
  readonly errors?: readonly string[];
  readonly httpCode?: number;
}

export interface StatusReportOptions {
  readonly settings: StatusConfig;
  readonly labels: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: ReportLog;
  readonly post: Post;
  /** How the bundles stand now. */
  readonly bundles: () => readonly BundleStatus[];
  /** How the decision log fares; undefined where there is none. */
  readonly decisionLog?: () => UploadFault | null;
}

export interface StatusCounts {
  readonly sent: number;
  readonly failed: number;
}

/** Changes that come together go in one report. */
const gatherMs = 250;
const closeMs = 1_000;
const errorsMax = 20;
const textCharsMax = 4_000;
/** How Go writes a time that never was; OPA's consumers know it. */
const never = '0001-01-01T00:00:00Z';
// OPA's own codes.
const bundleError = 'bundle_error';
const decisionLogError = 'decision_log_error';

export class StatusReport implements AsyncDisposable {
  readonly #options: StatusReportOptions;
  readonly #cut = new AbortController();
  #open = false;
  #timer: Timer | null = null;
  #sending: Promise<void> | null = null;
  /** Something changed since the last report was put together. */
  #stale = false;
  #failures = 0;
  #told: string | null = null;
  #sent = 0;
  #failed = 0;

  constructor(options: StatusReportOptions) {
    this.#options = options;
  }

  /** Begins to report; the first one goes at once. */
  open(): void {
    this.#open = true;
    this.changed();
  }

  /** Something of what is reported has changed. Never waits, never throws; may be called at any rate. */
  changed(): void {
    if (!this.#open) return;
    this.#stale = true;
    // After a failure its pause stands: the report that then goes says it all.
    if (this.#sending === null && this.#failures === 0) this.#arm(gatherMs, 'earlier');
  }

  counts(): StatusCounts {
    return { sent: this.#sent, failed: this.#failed };
  }

  /** Ends what is under way, after a second at the latest. Sends nothing more. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#timer?.cancel();
    const limit = this.#options.clock.after(closeMs, () => this.#cut.abort());
    await this.#sending;
    limit.cancel();
  }

  #dueMs = Number.POSITIVE_INFINITY;

  #arm(delayMs: number, how: 'earlier' | 'anew'): void {
    const { clock } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    if (how === 'earlier' && dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    this.#timer?.cancel();
    this.#timer = clock.after(delayMs, () => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#sending = this.#send().then((waitMs) => {
        this.#sending = null;
        if (!this.#open) return;
        this.#arm(waitMs, 'anew');
        if (this.#stale) this.changed();
      });
    });
  }

  /** Sends one report, and gives how long to wait for the next where nothing changes. */
  async #send(): Promise<number> {
    const { settings, log } = this.#options;
    const intervalMs = settings.interval_seconds * 1_000;
    this.#stale = false;
    const retry = { failures: this.#failures, waitMsMax: intervalMs, signal: this.#cut.signal };
    const sent = await postOnce(this.#options, settings, { bytes: this.#body(), headers: {} }, retry);
    if (sent.result === 'taken') {
      this.#sent += 1;
      this.#failures = 0;
      if (this.#told !== null) log('info', 'the status is reported again', { url: settings.url });
      this.#told = null;
      return intervalMs;
    }
    this.#failed += 1;
    this.#failures += 1;
    if (this.#told !== sent.message) log('warn', 'the status cannot be reported', { fault: sent.message });
    this.#told = sent.message;
    return sent.result === 'later' ? sent.waitMs : intervalMs;
  }

  #body(): Buffer {
    const { labels, bundles, decisionLog } = this.#options;
    let document: JsonObject;
    try {
      document = statusDocument(labels, bundles(), decisionLog?.());
    } catch {
      // Who says how things stand is at fault; that nothing is known is what can be said.
      document = { labels: { ...labels }, plugins: { bundle: { state: 'ERROR' } } };
    }
    return Buffer.from(JSON.stringify(document));
  }
}

/** The document of OPA's status API. `uploads` is undefined where decisions are not reported. */
export function statusDocument(
  labels: Readonly<Record<string, string>>,
  bundles: readonly BundleStatus[],
  uploads: UploadFault | null | undefined,
): JsonObject {
  return {
    labels: { ...labels },
    bundles: Object.fromEntries(bundles.map((bundle) => [bundle.name, bundleDocument(bundle)])),
    ...(uploads === undefined ? {} : { decision_logs: uploadsDocument(uploads) }),
    plugins: {
      bundle: { state: stateOf(bundles) },
      ...(uploads === undefined ? {} : { decision_logs: { state: uploads === null ? 'OK' : 'ERROR' } }),
      status: { state: 'OK' },
    },
  };
}

function bundleDocument(bundle: BundleStatus): JsonObject {
  const { name, activeRevision, sizeBytes, fault } = bundle;
  return {
    name,
    ...(activeRevision === null ? {} : { active_revision: activeRevision }),
    last_successful_activation: timeOf(bundle.lastSuccessfulActivationMs),
    type: 'snapshot',
    ...(sizeBytes === null ? {} : { size: sizeBytes }),
    last_successful_download: timeOf(bundle.lastSuccessfulDownloadMs),
    last_successful_request: timeOf(bundle.lastSuccessfulRequestMs),
    last_request: timeOf(bundle.lastRequestMs),
    ...(fault === null ? {} : faultDocument(fault)),
  };
}

function faultDocument({ message, errors = [], httpCode }: BundleFault): JsonObject {
  const shown = errors.slice(0, errorsMax).map((text): Json => ({ message: text.slice(0, textCharsMax) }));
  return {
    code: bundleError,
    message: message.slice(0, textCharsMax),
    ...(shown.length === 0 ? {} : { errors: shown }),
    ...(httpCode === undefined ? {} : { http_code: httpCode }),
  };
}

function uploadsDocument(uploads: UploadFault | null): JsonObject {
  if (uploads === null) return {};
  const { message, httpCode } = uploads;
  return {
    code: decisionLogError,
    message: message.slice(0, textCharsMax),
    ...(httpCode === null ? {} : { http_code: httpCode }),
  };
}

function stateOf(bundles: readonly BundleStatus[]): 'OK' | 'NOT_READY' | 'ERROR' {
  if (bundles.every(({ decides }) => decides)) return 'OK';
  return bundles.some(({ decides, fault }) => !decides && fault !== null) ? 'ERROR' : 'NOT_READY';
}

function timeOf(ms: number | null): string {
  return ms === null ? never : new Date(ms).toISOString();
}
