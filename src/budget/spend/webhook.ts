/**
 * Sends alerts to a webhook, as JSON, one at a time, beside the calls that caused them. What a reader would get wrong:
 * an alert may arrive twice, where an answer was lost; its `id` is the same then.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { RetryQueue } from '../../store/retry-queue.ts';
import { usdFromMicroUsd } from '../../wire/money.ts';
import type { Alert } from './alerts.ts';
import type { WebhookConfig } from './section.ts';

export interface AlertWebhookParts {
  readonly settings: WebhookConfig;
  /** The gateway that tells. */
  readonly gateway: string;
  readonly clock: Clock;
  readonly log: (level: 'info' | 'warn', message: string, fields?: Readonly<Record<string, unknown>>) => void;
  /** Sends one request and reads its answer to the end. Rejects if nothing answers in time. */
  readonly post: (request: {
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Buffer;
    readonly signal: AbortSignal;
    readonly timeoutMs: number;
  }) => Promise<{ readonly status: number }>;
}

interface Waiting {
  readonly body: Buffer;
  readonly sinceMs: number;
}

/** Alerts that may wait for the webhook; beyond it the newest are dropped and logged. */
const waitingMax = 1_000;
const longestRetryMs = 60_000;
/** For how long an alert is tried; it stands in the trail all the same. */
const triedMs = 3_600_000;
/** The first wait; it doubles with every try that fails. */
const firstMs = 250;
const closeMs = 1_000;

export class AlertWebhook implements AsyncDisposable {
  readonly #parts: AlertWebhookParts;
  readonly #waiting: RetryQueue<Waiting>;
  readonly #cut = new AbortController();
  #failing = false;

  constructor(parts: AlertWebhookParts) {
    this.#parts = parts;
    this.#waiting = new RetryQueue({
      ...{ clock: parts.clock, atOnce: 1, firstMs, longestMs: longestRetryMs },
      attempt: (waiting) => this.#attempt(waiting),
      emptied: () => undefined,
    });
  }

  /** Takes an alert in. Never waits, never throws. */
  tell(alert: Alert): void {
    const { clock, gateway, log } = this.#parts;
    if (this.#waiting.size >= waitingMax) {
      log('warn', 'an alert is not sent to the webhook: too many wait', { level: alert.level });
      return;
    }
    const document = alertDocument(alert, gateway);
    this.#waiting.add(document.id, { body: Buffer.from(JSON.stringify(document)), sinceMs: clock.monotonicMs() });
  }

  /** One last try of what waits, for a second at most; what remains is logged. */
  async [Symbol.asyncDispose](): Promise<void> {
    const limit = this.#parts.clock.after(closeMs, () => this.#cut.abort());
    await this.#waiting[Symbol.asyncDispose]();
    limit.cancel();
    const { size } = this.#waiting;
    if (size > 0) this.#parts.log('warn', 'alerts were never sent to the webhook', { alerts: size });
  }

  /** Whether it is done with: taken, refused for good, or too old. */
  async #attempt({ body, sinceMs }: Waiting): Promise<boolean> {
    const { settings, post, log, clock } = this.#parts;
    const { url, token, timeout_seconds: seconds } = settings;
    // The path of a webhook is often what its secret is.
    const { host } = new URL(url);
    const headers = {
      ...{ 'content-type': 'application/json', 'user-agent': 'tollgate' },
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const failed = (fault: string, final: boolean): boolean => {
      if (!this.#failing || final) log('warn', 'an alert could not be sent to the webhook', { host, fault });
      this.#failing = true;
      return final;
    };
    try {
      const { status } = await post({ url, headers, body, signal: this.#cut.signal, timeoutMs: seconds * 1_000 });
      const later = status === 429 || status >= 500;
      if (status < 200 || status > 299) return failed(`it answers ${status}`, !later || this.#isOld(sinceMs, clock));
    } catch (fault) {
      return failed(fault instanceof Error ? fault.message : 'it cannot be reached', this.#isOld(sinceMs, clock));
    }
    if (this.#failing) log('info', 'alerts are sent to the webhook again', { host });
    this.#failing = false;
    return true;
  }

  #isOld(sinceMs: number, clock: Clock): boolean {
    return clock.monotonicMs() - sinceMs >= triedMs;
  }
}

/** An alert as the webhook gets it: money in dollars, times in RFC 3339. */
export function alertDocument(alert: Alert, gateway: string) {
  const { level, tenant, agent, issuer, task, per, endsAtMs, dimension, threshold, limit, spent, atMs } = alert;
  const isMoney = dimension === 'costMicroUsd';
  const amount = (of: number): number => (isMoney ? usdFromMicroUsd(of) : of);
  const one = JSON.stringify([level, tenant, agent, issuer, task, per, endsAtMs, dimension, threshold, limit]);
  return {
    type: 'budget.alert',
    id: createHash('sha256').update(one).digest('base64url').slice(0, 22),
    time: new Date(atMs).toISOString(),
    gateway,
    ...{ level, tenant, agent, issuer, task, per },
    window_ends: endsAtMs === null ? null : new Date(endsAtMs).toISOString(),
    dimension: isMoney ? 'cost_usd' : dimension,
    threshold_percent: threshold,
    ...{ limit: amount(limit), spent: amount(spent) },
  };
}
