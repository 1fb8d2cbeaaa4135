/** A trail of seeded calls for tests of replay: written by the audit room's own stages, decided by a real bundle. */
import type { TestContext } from 'node:test';
import { RecordedTrail } from '../../../../src/audit/recorded.ts';
import { Sampler } from '../../../../src/audit/sampler.ts';
import { intentStage, recordOutcome } from '../../../../src/audit/stage.ts';
import type { AuditTrail } from '../../../../src/audit/trail.ts';
import type { Decision, Json, JsonObject } from '../../../../src/call.ts';
import { newId, type TaskId } from '../../../../src/clock.ts';
import { type DenialCode, deny } from '../../../../src/denial.ts';
import { Inspector } from '../../../../src/inspection/scan.ts';
import { unsentOutcome } from '../../../../src/outcome.ts';
import { ReplayCandidate } from '../../../../src/policy/replay/candidate.ts';
import { Replay, type ReplayReport } from '../../../../src/policy/replay/replay.ts';
import { ManualClock } from '../../../fakes/clock.ts';
import { fakeOperation, fakeOutcome, fakeTask } from '../../../fakes/task.ts';
import { intendedCall } from '../../audit/fixture.ts';
import { callDocument, opaPath, temporaryFolder, writeFiles } from '../bundles.ts';

const inspector = new Inspector({
  recognizers: ['email', 'card', 'iban', 'api_key', 'private_key', 'jwt'],
  custom: [],
  stream_window_chars: 64,
});
const redact = (value: Json): Json => inspector.redactedCopy(value);

/** The candidate of a bundle of these files, compiled by the real OPA. */
export async function candidateOf(
  test: TestContext,
  files: Readonly<Record<string, string>>,
): Promise<ReplayCandidate> {
  const folder = await temporaryFolder(test);
  await writeFiles(folder, files);
  return candidateAt(folder);
}

export function candidateAt(path: string): Promise<ReplayCandidate> {
  const opa = async () => opaPath();
  return ReplayCandidate.open({ path, opa, clock: new ManualClock(), signal: new AbortController().signal });
}

/** What is recorded of one call; members of the document's `call` and `task`. */
export interface RecordedCall {
  readonly call: JsonObject;
  readonly task?: JsonObject;
  readonly agent?: string;
  readonly taskId?: TaskId;
  /** A refusal of a later rung, although the policy allowed. */
  readonly refusedLater?: DenialCode;
}

/** Writes calls into a trail as the gate would: decided by `policy`, an intent and its outcome, or one denial. */
export class Recording {
  readonly #trail: AuditTrail;
  readonly #policy: ReplayCandidate;
  readonly #clock = new ManualClock(undefined, 77);
  readonly #sampler: Sampler;

  constructor(trail: AuditTrail, policy: ReplayCandidate) {
    this.#trail = trail;
    this.#policy = policy;
    this.#sampler = new Sampler(this.#clock, 10);
  }

  /** Resolves to the id of the call. */
  async add({ call, task = {}, agent = 'coordinator', taskId, refusedLater }: RecordedCall): Promise<string> {
    const clock = this.#clock;
    const base = callDocument(call as Record<string, Json>, task as Record<string, Json>);
    const input = { ...base, agent: { ...base.agent, id: agent } };
    const said = this.#policy.decide('call', input);
    if ('problem' in said) throw new Error(said.problem);
    const reasons = said.codes.map((code, index) => ({ code, message: said.messages[index] as string }));
    const decision: Decision = {
      id: newId(clock, 'decision'),
      allow: said.allow,
      reasons,
      obligations: said.obligations,
      bundle: 'policies',
      revision: this.#policy.revision,
      input,
    };
    const operation = fakeOperation(input.call.operation, { effect: input.call.effect as 'read' });
    const fake = fakeTask(taskId === undefined ? {} : { id: taskId });
    const record = { ...fake, agent: { ...fake.agent, id: agent } };
    const intended = intendedCall(clock, { operation, record, over: { decision } });
    const settings = { redact, sampler: this.#sampler };
    const denial = said.allow
      ? refusedLater === undefined
        ? null
        : deny(refusedLater, 'A later rung refused.')
      : deny('policy_denied', 'The policy does not allow this call.', { reasons });
    if (denial !== null) {
      await recordOutcome(this.#trail, intended, unsentOutcome(denial), settings);
      return intended.id;
    }
    const rung = intentStage(this.#trail, { durability: { read: 'relaxed', write: 'strict' }, redact });
    const intent = await rung.admit(intended);
    await recordOutcome(this.#trail, { ...intended, ...(intent as object) }, fakeOutcome(), settings);
    return intended.id;
  }
}

/** What a candidate would change over the trail in `dataDir`. */
export function replayed(dataDir: string, candidate: ReplayCandidate): ReplayReport {
  using trail = new RecordedTrail(dataDir);
  const replay = new Replay(candidate, trail);
  for (const page of trail.pages({ fromMs: 0, types: ['intent', 'outcome', 'denial', 'task'] })) {
    for (const decision of page) replay.add(decision);
  }
  return replay.report();
}
