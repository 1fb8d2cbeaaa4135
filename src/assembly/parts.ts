/**
 * The parts of a gate that hold something, in two kinds. The foundation (keys, store, trail) is opened once, in the
 * order its members need each other, and closed the other way round. What follows from the configuration (policies,
 * connections, breakers, recognizers) belongs to one edition of it, and goes when that edition's last call has ended.
 */
import { Sampler } from '../audit/sampler.ts';
import { recordRest } from '../audit/stage.ts';
import { AuditTrail } from '../audit/trail.ts';
import { TargetBreakers } from '../breaker/target.ts';
import { type TaskBalance, taskBalance } from '../budget/balances.ts';
import { LateSettlements } from '../budget/late-settlement.ts';
import { PromptTokens } from '../budget/prompt-tokens.ts';
import { KeyRests } from '../budget/rates/key-rests.ts';
import type { Alert, BudgetAlerts } from '../budget/spend/alerts.ts';
import { SpendMeters } from '../budget/spend/meters.ts';
import type { KeptAnswers } from '../cache/kept.ts';
import type { CallKind, Json, TaskRecord } from '../call.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Clock } from '../clock.ts';
import type { Loaded } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { FederationAssertions } from '../identity/federation.ts';
import type { KeyDirectory } from '../identity/key-directory.ts';
import type { KnownKeys } from '../identity/key-source.ts';
import type { GateKeys } from '../identity/keys.ts';
import type { PeopleVerifier } from '../identity/people.ts';
import { Possession } from '../identity/possession.ts';
import type { SubjectVerifier } from '../identity/subject.ts';
import { TaskTokens } from '../identity/task-token.ts';
import { TxnTokens } from '../identity/txn-token.ts';
import type { WorkloadVerifier } from '../identity/workload.ts';
import { Inspector } from '../inspection/scan.ts';
import { lintWorld, worldDigest } from '../policy/lint/world.ts';
import type { Policies } from '../policy/policies.ts';
import type { RouteTable } from '../route/table.ts';
import { openAdminToken } from '../server/admin-token.ts';
import { publicUrlOf } from '../server/section.ts';
import { createStore } from '../store/backends/index.ts';
import type { LocalShareStore } from '../store/local-share.ts';
import type { Presence } from '../store/presence.ts';
import type { Store } from '../store/store.ts';
import { AgentLoops } from '../task/agent-loops.ts';
import { CarriedTaint } from '../task/carried.ts';
import type { SealOf } from '../task/checkpoint.ts';
import { LateEndings } from '../task/late-endings.ts';
import type { RememberedAnswers } from '../task/remembered/answers.ts';
import { Room } from '../task/remembered/room.ts';
import { ResultRests } from '../task/results.ts';
import { RunningCalls } from '../task/running.ts';
import { loopLimitsOf } from '../task/section.ts';
import type { TaskStages } from '../task/stage.ts';
import { Suspensions } from '../task/suspensions.ts';
import { Tasks } from '../task/tasks.ts';
import type { Log } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { allowedHost, Dialer } from '../upstream/dialer.ts';
import { keptAnswersOf } from './answers.ts';
import { openAlerts, openAlertWebhook, seenBy, tellOf } from './budgets.ts';
import { catalogueOf, withCatalogue } from './catalogue.ts';
import { checkpointSealOf } from './checkpoints.ts';
import { credentialsOriginOf, type OpenCredentials, openCredentials } from './credentials.ts';
import { type CallMarks, openMarks } from './idempotency.ts';
import { issuersOf, openIssuers } from './issuers.ts';
import { openKeys } from './keys.ts';
import type { Take } from './lease.ts';
import { type CallLimits, limitsOriginOf, openLimits } from './limits.ts';
import { beginLife, chargeInterrupted, type Life, presenceOf } from './lives.ts';
import { goesOnWithout, localShareOf } from './local-share.ts';
import { type McpParts, openMcp, TokensOfRequests } from './mcp.ts';
import { openPolicies } from './policy.ts';
import { openPolicyReport, type PolicyReport, reportedOf } from './policy-report.ts';
import { rememberedAnswersOf } from './remembered.ts';
import { openRollout, type Rollout } from './rollout.ts';
import { openTelemetry } from './telemetry.ts';
import { openWays, targetUrls, type Ways } from './upstream.ts';

/** What the foundation is made from. */
export interface Materials {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
  /** The kind of an operation in the configuration that is in force. */
  readonly kindOf: (operation: string) => CallKind | undefined;
  /** How long taint goes on into the next task of an agent, by the configuration that is in force. */
  readonly taintKeptMs: () => number;
  /** The policies of the configuration that is in force. */
  readonly policies: () => Policies;
}

/** What stays as long as the gate is up, whatever becomes of its configuration. */
export interface Foundation extends Omit<Materials, 'config' | 'kindOf' | 'taintKeptMs'> {
  readonly publicUrl: string;
  readonly place: { readonly id: string; readonly cloud: string; readonly region: string };
  readonly faulted: (where: string, fault: unknown) => void;
  readonly adminToken: string;
  readonly keys: GateKeys;
  readonly keyDirectory: KeyDirectory;
  /** What the gate shows to clouds; its key is made when it is first needed. */
  readonly federation: FederationAssertions;
  readonly store: Store;
  readonly settlements: LateSettlements;
  /** What was spent, for whoever looks back; and who is told that a budget runs out. */
  readonly meters: SpendMeters;
  readonly alerts: BudgetAlerts;
  readonly alerted: Set<(alert: Alert) => void>;
  readonly endings: LateEndings;
  /** This life of the gateway, and its place among those of the store; null where no other can be on it. */
  readonly life: Life;
  readonly presence: Presence | null;
  /** The store as calls see it, which may go on by itself where the shared one is gone; null where nothing goes on. */
  readonly callStore: Store;
  readonly localShare: LocalShareStore | null;
  /** Which keys of targets rest. */
  readonly keyRests: KeyRests;
  readonly trail: AuditTrail;
  readonly sampler: Sampler;
  readonly telemetry: Telemetry;
  readonly rollout: Rollout;
  /** Told the name of a route whenever what its servers offer agents has changed. */
  readonly toolsChanged: Set<(route: string) => void>;
  /** Told whenever another bundle is in force, is refused, or a rollout goes on. */
  readonly policyChanged: Set<() => void>;
  readonly running: RunningCalls;
  readonly suspensions: Suspensions;
  /** The last good keys of issuers, by where they come from: they outlive a change of the configuration. */
  readonly issuerKeys: Map<string, KnownKeys>;
  readonly tasks: Tasks;
  /** What agents take into their next tasks. */
  readonly carried: CarriedTaint;
  /** What the tasks of one agent do over and over. */
  readonly agentLoops: AgentLoops;
  /** What checkpoints lie under in the store; null where this gateway may keep none. */
  readonly checkpointSeal: SealOf | null;
  /** The rest of results that were too long. */
  readonly resultRests: ResultRests;
  /** Answers of models for equal calls; null where this gateway may keep none. */
  readonly keptAnswers: KeptAnswers | null;
  /** What calls were made under which keys. */
  readonly callMarks: CallMarks;
  /** Answers that their task's client takes for kept at the provider; null where this gateway may keep none. */
  readonly rememberedAnswers: RememberedAnswers | null;
  readonly possession: Possession;
  readonly taskTokens: TaskTokens;
  /** The same, for requests that may make several calls. */
  readonly requestTokens: TokensOfRequests;
  /** What clients of MCP have: sessions, streams, questions. */
  readonly mcp: McpParts;
  readonly txnTokens: TxnTokens;
  readonly balanceOf: (record: TaskRecord) => Promise<TaskBalance>;
}

/** Everything that the calls of one edition of the configuration are made with. */
export interface Parts extends Foundation, Ways {
  readonly config: Config;
  readonly table: RouteTable;
  /** What the servers of mcp routes offer. */
  readonly catalogue: Catalogue;
  readonly policy: Policies;
  /** OPA's decision log and status, where they are configured. */
  readonly policyReport: PolicyReport;
  /** The way to targets. */
  readonly dialer: Dialer;
  readonly credentials: OpenCredentials;
  readonly breakers: TargetBreakers;
  /** How much may pass in a time, and what may be sent again. */
  readonly limits: CallLimits;
  readonly inspector: Inspector;
  readonly promptTokens: PromptTokens;
  /** A value with personal data and secrets taken out, for what is recorded. */
  readonly redact: (value: Json) => Json;
  readonly workloads: WorkloadVerifier;
  readonly subjects: SubjectVerifier;
  /** Null where no issuer of people is configured. */
  readonly people: PeopleVerifier | null;
  readonly stages: TaskStages;
}

/** Opens every part of the foundation; what is open when one of them fails is closed by `opened`. */
export async function openFoundation(materials: Materials, opened: AsyncDisposableStack): Promise<Foundation> {
  const { config, env, clock, log, kindOf, taintKeptMs, policies } = materials;
  const { gateway } = config;
  const dataDir = gateway.data_dir;
  const publicUrl = publicUrlOf(gateway);
  const place = { id: gateway.id, cloud: gateway.cloud, region: gateway.region };

  const adminToken = await openAdminToken(dataDir, clock);
  const telemetry = await openTelemetry({ config, place, clock, log }, opened);
  const onConnectionFault = (fault: unknown) => log('warn', 'the connection to the store failed', { fault });
  const store = opened.use(createStore(config.store, { clock, onConnectionFault, onCommand: telemetry.storeCommand }));
  await store.open();
  const life = await beginLife(dataDir, gateway.id, clock);
  const presence = opened.use(presenceOf(config, { store, clock, log, life }, () => ({ trail, settlements })));
  const localShare = opened.use(localShareOf(config, { store, clock, log }));
  const callStore = localShare ?? store;
  const alerted = new Set<(alert: Alert) => void>();
  const alerts = openAlerts({ store, clock }, alerted);
  const settlements = opened.use(new LateSettlements({ store: seenBy(alerts, callStore), clock, log }));
  const meters = opened.use(new SpendMeters({ store, clock, log }));
  const faulted = (where: string, fault: unknown) =>
    log('error', 'a part of the gate is at fault', { where, fault: textOf(fault) });
  const { keys, keyDirectory, federation } = await openKeys(materials, { store, publicUrl, faulted }, opened);
  const signer = keys.auditSigner();
  const trail = opened.use(
    new AuditTrail({
      ...{ config: config.audit, dataDir, gateway: place, signer, clock, log, kindOf },
      interrupted: chargeInterrupted(settlements),
    }),
  );
  await trail.open();
  await presence?.open();
  alerted.add(tellOf({ log, telemetry, trail, faulted }));
  const sampler = new Sampler(clock, config.audit.refusals_per_second);
  opened.defer(() => recordRest(trail, sampler));
  const carried = new CarriedTaint({ store: callStore, clock, keepMs: taintKeptMs });
  const tasks = new Tasks({ store: callStore, clock, carried });
  const endings = opened.use(new LateEndings({ tasks, clock, log }));
  const suspensions = opened.use(new Suspensions({ store: callStore, clock, faulted }));
  await suspensions.open();
  const lostMs = config.limits.store_lost_ms;
  // It asks the shared store itself: whoever goes on without it must not take that for an answer.
  const asked = new Tasks({ store, clock });
  const running = opened.use(new RunningCalls({ store, tasks: asked, suspensions, clock, lostMs }));
  await running.open();
  const keyRests = opened.use(new KeyRests({ store, clock }));
  await keyRests.open();
  const checkpointSeal = checkpointSealOf(config, clock);
  const possession = new Possession({ store, clock, publicUrl });
  const taskTokens = new TaskTokens({ keys: keyDirectory, possession, publicUrl, clock });
  const policyChanged = new Set<() => void>();
  const toolsChanged = new Set<(route: string) => void>();
  const ground = { store, clock, log, faulted, place, trail, telemetry, policyChanged };
  const rollout = await openRollout(config.policy.rollout, policies, ground, opened);
  return {
    ...{ env, clock, log, publicUrl, place, faulted, adminToken, keys, keyDirectory, store, trail, sampler, running },
    ...{ telemetry, settlements, endings, suspensions, tasks, carried, rollout, policies, policyChanged },
    ...{ meters, alerts, alerted },
    toolsChanged,
    agentLoops: new AgentLoops({ store: callStore, clock }),
    checkpointSeal,
    rememberedAnswers: rememberedAnswersOf(checkpointSeal, { store, clock, log }),
    resultRests: new ResultRests({ store, clock, sealOf: checkpointSeal, room: new Room({ store, clock }) }),
    keptAnswers: keptAnswersOf(config, { store, clock, faulted }),
    callMarks: openMarks(config, { store, clock, log }, opened),
    issuerKeys: new Map(),
    ...{ life, presence, localShare, callStore, keyRests },
    ...{ possession, federation },
    taskTokens,
    requestTokens: new TokensOfRequests(taskTokens, () => clock.nowMs()),
    mcp: await openMcp({ config, store, clock, faulted, toolsChanged }, opened),
    txnTokens: new TxnTokens({ keys, trustDomain: gateway.trust_domain, publicUrl, gateway: place, clock }),
    balanceOf: (record) => taskBalance(callStore, record, clock.nowMs()),
  };
}

/** The longest stream; what is read whole is bounded by `limits.answer_bytes` long before. */
const streamBytesMax = 512 * 1_048_576;

/** The configuration an edition is made from. */
export interface EditionSource {
  readonly loaded: Pick<Loaded, 'config' | 'directory' | 'identities' | 'tools'>;
  readonly table: RouteTable;
}

/**
 * The parts of one edition. `take` gives those that the edition before it has already, where the configuration they
 * follow from has not changed: connections stay warm, circuits stay open, keys stay cached. Rejects with BundleError.
 */
export async function openParts(foundation: Foundation, source: EditionSource, take: Take): Promise<Parts> {
  const { clock, log, tasks, suspensions, endings, carried, balanceOf } = foundation;
  const { loaded } = source;
  const { config, directory } = loaded;
  const world = lintWorld(config, source.table.all());
  const { rollout: _bounds, decision_logs: _log, status: _status, ...policyOrigin } = config.policy;
  const policy = await take('policy', { ...policyOrigin, world: worldDigest(world) }, () =>
    openPolicies(config, directory, world, foundation),
  );
  foundation.rollout.watch.configure(config.policy.rollout);
  const catalogue = await catalogueOf(loaded, source.table, foundation, take);
  const table = withCatalogue(source.table, catalogue, foundation);
  const dialer = await take(
    'dialer',
    targetUrls(table),
    (urls) => new Dialer({ clock, allow: urls.map(allowedHost), bodyBytesMax: streamBytesMax }),
  );
  const { workloads, subjects, people } = await take('issuers', issuersOf(config), (from) =>
    openIssuers(from, { clock, log, known: foundation.issuerKeys }),
  );
  const credentials = await take('credentials', credentialsOriginOf(loaded), (from) =>
    openCredentials(from, foundation),
  );
  const ways = await openWays(foundation, source, { dialer, credentials }, take);
  const breakers = await take('breakers', config.breaker, () => new TargetBreakers({ config: config.breaker, clock }));
  const limits = await take('limits', limitsOriginOf(config), (from) => openLimits(from, foundation));
  const inspector = new Inspector(config.inspection);
  const redact = (value: Json) => inspector.redactedCopy(value);
  const policyReport = await take(
    'policy_report',
    [config.policy.decision_logs, config.policy.status, config.inspection],
    () => openPolicyReport({ ...foundation, config: config.policy, redact, ...reportedOf(foundation.policies) }),
  );
  const targets = table.routes().flatMap((route) => route.targets);
  const promptTokens = await take(
    'prompt_tokens',
    targets.map(({ tokenizer }) => tokenizer?.encoding ?? null),
    () => PromptTokens.open(targets),
  );
  await take('alert_webhook', config.budget.alerts.webhook ?? null, (from) => openAlertWebhook(from, foundation));
  const { agentLoops } = foundation;
  const loop = loopLimitsOf(config.task);
  return {
    ...foundation,
    ...{ config, table, policy, dialer, credentials, breakers, inspector, policyReport, workloads, subjects, people },
    ...{ redact, promptTokens, limits, ...ways },
    catalogue,
    stages: {
      ...{ tasks, suspensions, endings, carried, agentLoops, balanceOf, clock, loop },
      goesOnWithout: (operation) => goesOnWithout(foundation.localShare, operation),
      historyMax: config.limits.history,
    },
  };
}

function textOf(fault: unknown): string {
  return fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
}
