/**
 * What the gate says of itself, wired to its rooms: the way out to the OTLP receiver by a dialer that may dial nothing
 * else, and what is asked of other rooms when somebody scrapes the metrics.
 */
import type { AuditTrail } from '../audit/trail.ts';
import { targetKey } from '../breaker/target.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import type { Gauges } from '../telemetry/gate-metrics.ts';
import type { Log } from '../telemetry/log.ts';
import type { Post } from '../telemetry/otlp.ts';
import { Telemetry } from '../telemetry/telemetry.ts';
import { allowedHost, Dialer } from '../upstream/dialer.ts';
import { limitReadingsOf } from './limits.ts';
import type { Parts } from './parts.ts';
import { readingsOf } from './policy-report.ts';
import { stageOf } from './rollout.ts';

export interface TelemetryMaterials {
  readonly config: Config;
  readonly place: { readonly id: string; readonly cloud: string; readonly region: string };
  readonly clock: Clock;
  readonly log: Log;
}

/** Opens it; `opened` closes it before its dialer, so that the last spans still go. */
export async function openTelemetry(
  { config, place, clock, log }: TelemetryMaterials,
  opened: AsyncDisposableStack,
): Promise<Telemetry> {
  const { otlp } = config.telemetry;
  const dialer = opened.use(new Dialer({ clock, allow: otlp === undefined ? [] : [allowedHost(otlp.url)] }));
  const telemetry = opened.use(
    new Telemetry({ config: config.telemetry, gateway: place, clock, log, post: postBy(dialer) }),
  );
  await telemetry.open();
  return telemetry;
}

function postBy(dialer: Dialer): Post {
  return async ({ url, headers, body, timeoutMs }) => {
    const answer = await dialer.send({
      ...{ url, headers, body },
      method: 'POST',
      signal: new AbortController().signal,
      timeoutMs: { connect: timeoutMs, firstByte: timeoutMs, total: timeoutMs },
    });
    // Read to its end, or the connection could not be used again; what it says is of no use here.
    for await (const _ of answer.body);
    const seconds = Number(answer.headers['retry-after'] ?? Number.NaN);
    return { status: answer.status, retryAfterMs: seconds >= 0 ? seconds * 1000 : null };
  };
}

/** What is read at a scrape; `current` gives the parts of the configuration in force. */
export function gaugesOf(trail: AuditTrail, current: () => Parts): Gauges {
  return {
    breakerOpen: () => {
      const { table, breakers } = current();
      return table
        .routes()
        .flatMap(({ name, targets }) =>
          targets.map((target) => [[name, target.name], breakers.isOpen(targetKey(target)) ? 1 : 0] as const),
        );
    },
    auditQueueEvents: () => trail.waiting,
    limits: limitReadingsOf(current),
    store: storeReadingsOf(current),
    policy: () => current().policy.active,
    policyReports: () => readingsOf(current().policyReport.counts()),
    budgetUsed: () =>
      current()
        .alerts.ratios()
        .map(({ level, name, per, dimension, ratio }) => [[level, name, per, dimensionOf(dimension)], ratio]),
    toolsDrifted: () =>
      current()
        .catalogue.drifted()
        .map(([route, tools]) => [[route], tools]),
    rollout: () => stageOf(current().policy, current().rollout),
  };
}

function storeReadingsOf(current: () => Parts): Gauges['store'] {
  return {
    waiting: () => {
      const { settlements, endings, localShare } = current();
      return { settlements: settlements.waiting, endings: endings.waiting, unpaid: localShare?.unpaid ?? 0 };
    },
    forfeits: () => current().presence?.forfeits ?? 0,
    // On memory it is alone.
    alive: () => current().presence?.alive ?? 1,
    isLocal: () => current().localShare?.active === true,
  };
}

/** As documents call it. */
function dimensionOf(dimension: string): string {
  return dimension === 'costMicroUsd' ? 'cost_usd' : dimension;
}
