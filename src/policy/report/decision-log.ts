/**
 * Decisions on their way to a server of OPA's decision-log API: `record` puts them on a list and no more; moments later
 * they are written down in short turns, masked, redacted, and wait as bytes until an upload. What a reader would get
 * wrong: this is a report and not the audit trail, so it gives way. Where the server is away or slow the oldest are
 * dropped and counted, and no call ever waits for it.
 */
import type { Clock, Timer } from '../../clock.ts';
import { BatchPacker } from './batch.ts';
import { type Decided, type EventParts, eventOf, withoutInput, written } from './event.ts';
import { EventBuffer } from './event-buffer.ts';
import { type Post, postOnce, randomOf, type Sent } from './post.ts';
import type { DecisionLogsConfig } from './section.ts';
import { weightOf } from './weight.ts';

export type ReportLog = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

export interface DecisionLogOptions extends EventParts {
  readonly settings: DecisionLogsConfig;
  readonly clock: Clock;
  readonly log: ReportLog;
  readonly post: Post;
  /** Told when uploads begin to fail, and when they succeed again. */
  readonly changed?: () => void;
}

/** Why a decision was not reported. */
const dropReasons = ['backlog', 'buffer', 'too_large', 'refused', 'unwritable', 'closed'] as const;
export type DropReason = (typeof dropReasons)[number];

/** Sums since the start. */
export interface DecisionLogCounts {
  readonly sent: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Left out because the bundle's `data.system.log.drop` says so. */
  readonly unwanted: number;
  /** Reported without their content, because drop, mask or redaction failed. */
  readonly withheld: number;
  /** Reported without their input, because they were too large with it. */
  readonly inputErased: number;
  readonly uploadsFailed: number;
}

/** How uploads fare, as OPA's status API tells it; all null while they do well. */
export interface UploadFault {
  readonly message: string;
  readonly httpCode: number | null;
}

/** Decisions that wait to be written down; what comes beyond pushes out the oldest. */
const unwrittenMax = 2_048;
/** What they may weigh together; one of them counts as a mebibyte at most, the largest that a policy is given. */
const unwrittenBytesMax = 67_108_864;
const decidedBytesMax = 1_048_576;
const turnDelayMs = 20;
const turnMs = 2;
const closeMs = 3_000;

interface Unwritten {
  readonly decided: Decided;
  readonly bytes: number;
}

export class DecisionLog implements AsyncDisposable {
  readonly #options: DecisionLogOptions;
  readonly #buffer: EventBuffer;
  readonly #packer: BatchPacker;
  readonly #closing = new AbortController();
  readonly #cut = new AbortController();
  #open = false;
  #unwritten: Unwritten[] = [];
  #unwrittenBytes = 0;
  #requests = 0;
  #turn: Timer | null = null;
  #pause: Timer | null = null;
  #uploading: Promise<void> | null = null;
  #underWay = 0;
  #fault: UploadFault | null = null;
  readonly #told = new Set<string>();
  #sent = 0;
  #unwanted = 0;
  #withheld = 0;
  #inputErased = 0;
  #uploadsFailed = 0;
  readonly #dropped: Record<DropReason, number> = {
    ...{ backlog: 0, buffer: 0, too_large: 0, refused: 0, unwritable: 0, closed: 0 },
  };

  constructor(options: DecisionLogOptions) {
    this.#options = options;
    this.#buffer = new EventBuffer(options.settings.buffer_bytes);
    this.#packer = new BatchPacker(options.settings.upload_bytes);
  }

  /** Begins to upload. Dials nothing yet. */
  open(): void {
    this.#open = true;
    this.#arm();
  }

  /** Takes a decision. Never waits and never throws; whatever is behind it, it is told by `counts`. */
  record(decided: Decided): void {
    if (!this.#open) {
      this.#dropped.closed += 1;
      return;
    }
    const bytes = weightOf(decided.decision.input, decidedBytesMax);
    this.#unwritten.push({ decided, bytes });
    this.#unwrittenBytes += bytes;
    // Twice the bound is cut back to the bound at once, so that each decision is moved at most once.
    const beyond = this.#unwritten.length >= unwrittenMax * 2 ? unwrittenMax : this.#tooHeavy();
    if (beyond > 0) {
      this.#take(beyond);
      this.#dropped.backlog += beyond;
    }
    this.#turn ??= this.#options.clock.after(turnDelayMs, () => this.#writeSome());
  }

  counts(): DecisionLogCounts {
    return {
      ...{ sent: this.#sent, unwanted: this.#unwanted, withheld: this.#withheld },
      ...{ inputErased: this.#inputErased, uploadsFailed: this.#uploadsFailed },
      dropped: { ...this.#dropped },
    };
  }

  /** Decisions that wait, written down or not, and those that are being sent. */
  get waiting(): number {
    return this.#unwritten.length + this.#buffer.size + this.#packer.packing + this.#underWay;
  }

  /** Why the last upload failed; null while uploads do well. */
  get fault(): UploadFault | null {
    return this.#fault;
  }

  /** Writes down and sends what waits, trying each upload once and all of them no longer than three seconds. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#turn?.cancel();
    this.#pause?.cancel();
    this.#closing.abort();
    const limit = this.#options.clock.after(closeMs, () => this.#cut.abort());
    while (this.#unwritten.length > 0 && !this.#cut.signal.aborted) {
      this.#write();
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    await this.#uploading;
    await this.#upload();
    limit.cancel();
    const left = this.waiting;
    this.#dropped.closed += left;
    if (left > 0) this.#options.log('warn', 'decisions were not reported before the end', { decisions: left });
  }

  /** How many of the oldest have to go for what they weigh. */
  #tooHeavy(): number {
    let bytes = this.#unwrittenBytes;
    let count = 0;
    while (bytes > unwrittenBytesMax) bytes -= this.#unwritten[count++]?.bytes ?? bytes;
    return count;
  }

  #take(count: number): void {
    for (const { bytes } of this.#unwritten.slice(0, count)) this.#unwrittenBytes -= bytes;
    this.#unwritten = this.#unwritten.slice(count);
  }

  #writeSome(): void {
    this.#write();
    this.#turn = this.#unwritten.length === 0 ? null : this.#options.clock.after(1, () => this.#writeSome());
    // At half its bound the buffer is sent ahead of time, or a busy gate would drop what nobody had tried to send.
    if (this.#buffer.bytes * 2 >= this.#options.settings.buffer_bytes && this.#fault === null) this.#begin();
  }

  /** One turn, of two milliseconds and what one event takes. */
  #write(): void {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    let count = 0;
    while (count < this.#unwritten.length && clock.monotonicMs() - startedMs < turnMs) {
      this.#writeOne((this.#unwritten[count] as Unwritten).decided);
      count++;
    }
    this.#take(count);
  }

  #writeOne(decided: Decided): void {
    try {
      const { event, withheld } = written(eventOf(decided, this.#options.labels, ++this.#requests), this.#options);
      if (event === null) {
        this.#unwanted += 1;
        return;
      }
      if (withheld !== null) {
        this.#withheld += 1;
        this.#tellOnce('error', 'a decision is reported without its content: it could not be masked', withheld);
      }
      this.#wait(Buffer.from(JSON.stringify(event)));
    } catch (fault) {
      this.#dropped.unwritable += 1;
      const text = fault instanceof Error ? fault.message : 'an unnamed fault';
      this.#tellOnce('error', 'a decision cannot be written down, and is not reported', text);
    }
  }

  #wait(event: Buffer): void {
    const gone = this.#buffer.push(event);
    if (gone === -1) this.#lighten(event);
    else if (gone > 0) {
      this.#dropped.buffer += gone;
      this.#tellOnce('warn', 'decisions are dropped before they could be reported', 'the buffer is full');
    }
  }

  /** An event that is too large waits again without its input, or is dropped. */
  #lighten(event: Buffer): void {
    const document = JSON.parse(event.toString());
    const smaller = document.input === undefined ? null : Buffer.from(JSON.stringify(withoutInput(document)));
    if (smaller === null || smaller.length > this.#options.settings.buffer_bytes) {
      this.#dropped.too_large += 1;
      return;
    }
    this.#inputErased += 1;
    this.#wait(smaller);
  }

  #arm(): void {
    const { clock, settings } = this.#options;
    const { min_delay_seconds: min, max_delay_seconds: max } = settings;
    this.#pause?.cancel();
    this.#pause = clock.after((min + (max - min) * randomOf(clock)) * 1_000, () => this.#begin());
  }

  #begin(): void {
    if (this.#uploading !== null || !this.#open) return;
    this.#uploading = this.#upload().finally(() => {
      this.#uploading = null;
      if (this.#open) this.#arm();
    });
  }

  /** Sends until nothing waits. While it closes, the first failure ends it. */
  async #upload(): Promise<void> {
    for (;;) {
      if (this.#cut.signal.aborted) return;
      const batch = await this.#packer.pack(this.#buffer);
      if (batch === null) return;
      if ('tooLarge' in batch) this.#lighten(batch.tooLarge);
      else {
        this.#underWay = batch.events.length;
        const done = await this.#deliver(batch.events, batch.body);
        this.#underWay = 0;
        if (!done) return;
      }
    }
  }

  /** Tries until it is taken or refused for good; false where it had to be given up because the log closes. */
  async #deliver(events: readonly Buffer[], bytes: Buffer): Promise<boolean> {
    const { settings, clock } = this.#options;
    const waitMsMax = settings.max_delay_seconds * 1_000;
    for (let failures = 0; ; failures++) {
      const retry = { failures, waitMsMax, signal: this.#cut.signal };
      const closing = this.#closing.signal.aborted;
      const sent = await postOnce(this.#options, settings, { bytes, headers: { 'content-encoding': 'gzip' } }, retry);
      this.#tell(sent);
      if (sent.result === 'taken') this.#sent += events.length;
      else if (sent.result === 'refused') this.#dropped.refused += events.length;
      if (sent.result !== 'later') return true;
      if (closing || this.#cut.signal.aborted) {
        this.#buffer.putBack(events);
        return false;
      }
      await pause(clock, sent.waitMs, this.#closing.signal);
    }
  }

  #tell(sent: Sent): void {
    const before = this.#fault;
    const { log, changed, settings } = this.#options;
    if (sent.result === 'taken') {
      this.#fault = null;
      this.#told.clear();
      if (before !== null) log('info', 'decisions are reported again', { url: settings.url });
    } else {
      this.#uploadsFailed += 1;
      this.#fault = { message: sent.message, httpCode: sent.httpCode };
      const lost = sent.result === 'refused';
      this.#tellOnce(
        lost ? 'error' : 'warn',
        lost ? 'a report of decisions is refused, and dropped' : 'decisions cannot be reported now',
        sent.message,
      );
    }
    if ((before === null) !== (this.#fault === null)) changed?.();
  }

  /** Once for each kind until an upload succeeds. */
  #tellOnce(level: 'warn' | 'error', message: string, fault: string): void {
    const kind = `${message}: ${fault}`.slice(0, 200);
    if (this.#told.has(kind) || this.#told.size >= 32) return;
    this.#told.add(kind);
    this.#options.log(level, message, { fault });
  }
}

/** Resolves after `delayMs`, or as soon as `signal` says. */
function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      timer.cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.after(delayMs, end);
    signal.addEventListener('abort', end);
  });
}
