/**
 * The parts of a gate that hold something (keys, store, trail, policies, connections), opened in the order they need
 * each other and closed the other way round, and the rooms' objects that need nothing but them.
 */
import { findOpa } from '../../scripts/opa.js';
import { Sampler } from '../audit/sampler.ts';
import { recordRest } from '../audit/stage.ts';
import { AuditTrail } from '../audit/trail.ts';
import { TargetBreakers } from '../breaker/target.ts';
import { type TaskBalance, taskBalance } from '../budget/balances.ts';
import type { Json, TaskRecord } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Loaded } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { GateKeys } from '../identity/keys.ts';
import { TaskTokens } from '../identity/task-token.ts';
import { TxnTokens } from '../identity/txn-token.ts';
import { WorkloadVerifier } from '../identity/workload.ts';
import { Inspector } from '../inspection/scan.ts';
import { PolicyEngine } from '../policy/engine.ts';
import type { RouteTable } from '../route/table.ts';
import { openAdminToken } from '../server/admin-token.ts';
import { publicUrlOf } from '../server/section.ts';
import { createStore } from '../store/backends/index.ts';
import type { Store } from '../store/store.ts';
import { RunningCalls } from '../task/running.ts';
import type { TaskStages } from '../task/stage.ts';
import { Tasks } from '../task/tasks.ts';
import type { Log } from '../telemetry/log.ts';
import { allowedHost, Dialer } from '../upstream/dialer.ts';

/** What the parts are made from. */
export interface Materials {
  readonly loaded: Loaded;
  readonly table: RouteTable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Parts extends Omit<Materials, 'loaded' | 'env'> {
  readonly config: Config;
  readonly publicUrl: string;
  readonly place: { readonly id: string; readonly cloud: string; readonly region: string };
  readonly faulted: (where: string, fault: unknown) => void;
  readonly adminToken: string;
  readonly keys: GateKeys;
  readonly store: Store;
  readonly trail: AuditTrail;
  readonly sampler: Sampler;
  readonly policy: PolicyEngine;
  readonly dialer: Dialer;
  readonly breakers: TargetBreakers;
  readonly running: RunningCalls;
  readonly inspector: Inspector;
  /** A value with personal data and secrets taken out, for what is recorded. */
  readonly redact: (value: Json) => Json;
  readonly tasks: Tasks;
  readonly taskTokens: TaskTokens;
  readonly txnTokens: TxnTokens;
  readonly workloads: WorkloadVerifier;
  readonly balanceOf: (record: TaskRecord) => Promise<TaskBalance>;
  readonly stages: TaskStages;
}

/** Opens every part; what is open when one of them fails is closed by `opened`. */
export async function openParts(materials: Materials, opened: AsyncDisposableStack): Promise<Parts> {
  const { loaded, table, env, clock, log } = materials;
  const { config, directory } = loaded;
  const { gateway, limits } = config;
  const dataDir = gateway.data_dir;
  const publicUrl = publicUrlOf(gateway);
  const place = { id: gateway.id, cloud: gateway.cloud, region: gateway.region };

  const adminToken = await openAdminToken(dataDir, clock);
  const keys = opened.use(new GateKeys({ dataDir, gatewayId: gateway.id, clock }));
  await keys.open();
  const store = opened.use(createStore(config.store, { clock }));
  await store.open();
  const signer = keys.auditSigner();
  const kindOf = (operation: string) => table.get(operation)?.kind;
  const trail = opened.use(
    new AuditTrail({ config: config.audit, dataDir, gateway: place, signer, clock, log, kindOf }),
  );
  await trail.open();
  const sampler = new Sampler(clock, config.audit.refusals_per_second);
  opened.defer(() => recordRest(trail, sampler));
  const opa = () => findOpa({ env, log: (line) => log('info', line) });
  const policy = opened.use(
    new PolicyEngine({ config: config.policy, baseDir: directory, dataDir, opa, gateway: place, clock, log }),
  );
  await policy.open();
  const dialer = opened.use(new Dialer({ clock, allow: outboundUrls(config, table).map(allowedHost) }));
  const breakers = opened.use(new TargetBreakers({ config: config.breaker, clock }));
  const running = opened.use(new RunningCalls(store));
  await running.open();

  const inspector = new Inspector(config.inspection);
  const tasks = new Tasks({ store, clock });
  const balanceOf = (record: TaskRecord) => taskBalance(store, record, clock.nowMs());
  const fetchJson: Dialer['fetchJson'] = (url, bounds) => dialer.fetchJson(url, bounds);
  return {
    ...{ table, clock, log, config, publicUrl, place, adminToken, keys, store, trail, sampler, policy, dialer },
    ...{ breakers, running, inspector, tasks, balanceOf },
    faulted: (where, fault) => log('error', 'a part of the gate is at fault', { where, fault: textOf(fault) }),
    redact: (value) => inspector.redactedCopy(value),
    taskTokens: new TaskTokens({ keys, publicUrl, clock }),
    txnTokens: new TxnTokens({ keys, trustDomain: gateway.trust_domain, publicUrl, gateway: place, clock }),
    workloads: new WorkloadVerifier({ issuers: config.issuers, fetchJson, clock }),
    stages: { tasks, balanceOf, clock, repeatsMax: config.task.loop.repeats, historyMax: limits.history },
  };
}

/** Every place the gate may dial: what the configuration names, and nothing else. */
function outboundUrls(config: Config, table: RouteTable): string[] {
  return [
    ...table.routes().flatMap(({ targets }) => targets.map(({ url }) => url)),
    ...config.issuers.flatMap(({ issuer, jwks_uri }) => [issuer, ...(jwks_uri === undefined ? [] : [jwks_uri])]),
  ];
}

function textOf(fault: unknown): string {
  return fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
}
