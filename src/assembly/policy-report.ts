/**
 * OPA's own reports, put together: the decision log and the status, each with a dialer of its own that reaches the one
 * server it is for and nothing else. Neither is asked by a call, and neither can hold one up.
 */
import { redactedInput } from '../audit/kept-input.ts';
import type { Json, JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { Policies } from '../policy/policies.ts';
import { DecisionLog, type DecisionLogCounts, type ReportLog } from '../policy/report/decision-log.ts';
import type { Decided, LogPolicy } from '../policy/report/event.ts';
import { logPolicyOf } from '../policy/report/log-policy.ts';
import type { Post } from '../policy/report/post.ts';
import type { ReportsConfig } from '../policy/report/section.ts';
import { type BundleStatus, type StatusCounts, StatusReport } from '../policy/report/status.ts';
import type { ReportReadings } from '../telemetry/gate-metrics.ts';
import { allowedHost, Dialer } from '../upstream/dialer.ts';

export interface PolicyReportMaterials {
  readonly config: ReportsConfig;
  /** `system.log` of the bundle in force; null where it has none. */
  readonly logPolicy: () => LogPolicy | null;
  readonly bundles: () => readonly BundleStatus[];
  /** Told whenever another bundle is in force, is refused, or a rollout goes on. */
  readonly policyChanged: Set<() => void>;
  readonly place: { readonly id: string; readonly cloud: string; readonly region: string };
  readonly clock: Clock;
  readonly log: ReportLog;
  /** A value with personal data and secrets taken out. */
  readonly redact: (value: Json) => Json;
}

/** Sums since the start; null for what is not configured. */
export interface ReportCounts {
  readonly decisions: DecisionLogCounts | null;
  readonly status: StatusCounts | null;
}

export interface PolicyReport {
  /** Whether decisions go anywhere; where not, nobody need gather what `record` is handed. */
  readonly records: boolean;
  /** Takes a decision that was made. Never waits, never throws. */
  record(decided: Decided): void;
  counts(): ReportCounts;
  /** Sends what waits, within seconds. */
  [Symbol.asyncDispose](): Promise<void>;
}

const bounds = { connectionsMax: 1, inFlightMax: 2 };
/** More of an answer is not read; what it says is of no use here. */
const answerBytesMax = 65_536;

/** Opens what is configured; dials nothing yet. Closing sends what waits, within seconds. */
export function openPolicyReport(materials: PolicyReportMaterials): PolicyReport {
  const { config, place, clock, log, redact, logPolicy, bundles, policyChanged } = materials;
  const labels = { id: place.id, gateway: place.id, region: place.region, cloud: place.cloud };
  const opened = new AsyncDisposableStack();
  const postTo = ({ url, ca }: { readonly url: string; readonly ca?: string }) =>
    postBy(
      opened.use(new Dialer({ clock, allow: [allowedHost(url)], ...bounds, ...(ca === undefined ? {} : { ca }) })),
    );
  let status: StatusReport | null = null;
  const decisions =
    config.decision_logs === undefined
      ? null
      : opened.use(
          new DecisionLog({
            ...{ settings: config.decision_logs, labels, clock, log, logPolicy },
            redact: (input) => withoutPersonalData(input, redact),
            redactValue: redact,
            post: postTo(config.decision_logs),
            changed: () => status?.changed(),
          }),
        );
  if (config.status !== undefined) {
    status = opened.use(
      new StatusReport({
        ...{ settings: config.status, labels, clock, log, bundles },
        post: postTo(config.status),
        ...(decisions === null ? {} : { decisionLog: () => decisions.fault }),
      }),
    );
  }
  decisions?.open();
  status?.open();
  const changed = () => status?.changed();
  policyChanged.add(changed);
  opened.defer(() => {
    policyChanged.delete(changed);
  });
  return {
    records: decisions !== null,
    record: (decided) => decisions?.record(decided),
    counts: () => ({ decisions: decisions?.counts() ?? null, status: status?.counts() ?? null }),
    [Symbol.asyncDispose]: async () => opened[Symbol.asyncDispose](),
  };
}

/** What is reported of the policies; `policies` are those of the configuration that is in force. */
export function reportedOf(policies: () => Policies): Pick<PolicyReportMaterials, 'logPolicy' | 'bundles'> {
  return {
    logPolicy: () => {
      const { inForce } = policies();
      return inForce === null ? null : logPolicyOf(inForce.loaded);
    },
    bundles: () => bundlesOf(policies().engines),
  };
}

/** What of an engine the status tells. */
type Standing = Pick<PolicyEngine, 'bundle' | 'revision' | 'times' | 'lastError' | 'note'>;

/** How the bundles stand: that in force and, where there is one, the candidate. */
export function bundlesOf(engines: { readonly stable: Standing; readonly candidate: Standing | null }): BundleStatus[] {
  const { stable, candidate } = engines;
  if (candidate === null) return [bundleOf(stable, stable.bundle)];
  // Both may be published under one file name, at different places.
  const name = candidate.bundle === stable.bundle ? `${candidate.bundle}-candidate` : candidate.bundle;
  return [bundleOf(stable, stable.bundle), bundleOf(candidate, name)];
}

function bundleOf({ revision, times, lastError, note }: Standing, name: string): BundleStatus {
  const message = lastError ?? (note === 'expired' ? 'the policy bundle has expired' : null);
  return {
    ...{ name, decides: revision !== null, sizeBytes: null },
    activeRevision: revision?.loaded.revision ?? null,
    lastRequestMs: times.lookedMs,
    lastSuccessfulRequestMs: times.answeredMs,
    lastSuccessfulDownloadMs: times.foundMs,
    lastSuccessfulActivationMs: times.activatedMs,
    fault: message === null ? null : { message },
  };
}

/** `counts` as the metrics read them. */
export function readingsOf({ decisions, status }: ReportCounts): ReportReadings {
  const { sent = 0, unwanted = 0, withheld = 0, inputErased = 0, uploadsFailed = 0, dropped = {} } = decisions ?? {};
  const outcomes = decisions === null ? [] : Object.entries({ sent, unwanted, ...dropped });
  return {
    decisions: outcomes.map(([outcome, count]) => [[outcome], count]),
    incomplete:
      decisions === null
        ? []
        : [
            [['withheld'], withheld],
            [['too_large'], inputErased],
          ],
    failed: [
      ...(decisions === null ? [] : [[['decision_logs'], uploadsFailed] as const]),
      ...(status === null ? [] : [[['status'], status.failed] as const]),
    ],
  };
}

/** The input as the trail would keep it, and the answer, of which the trail keeps no document. */
function withoutPersonalData(input: JsonObject, redact: (value: Json) => Json): JsonObject {
  const kept = redactedInput(input, redact);
  return kept.response === undefined ? kept : { ...kept, response: redact(kept.response) };
}

/** The way of a report out of the gate. */
export function postBy(dialer: Dialer): Post {
  return async ({ url, headers, body, signal, timeoutMs }) => {
    const answer = await dialer.send({
      ...{ url, headers, body, signal, method: 'POST' },
      timeoutMs: { connect: timeoutMs, firstByte: timeoutMs, total: timeoutMs },
    });
    await readAway(answer.body);
    return { status: answer.status, retryAfter: answer.headers['retry-after'] };
  };
}

/** Reads an answer to its end, or the connection could not be used again. Its status counts, however it ends. */
async function readAway(body: AsyncIterable<Uint8Array>): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > answerBytesMax) return;
    }
  } catch {
    // The connection is gone; the server had answered.
  }
}
