/**
 * What checkpoints are sealed under, and their routes over the parts. `keys.secret` opens them at every gateway on a
 * store. A store in this process needs no secret of anybody's. Without either there is none: a key that only this gateway
 * has would leave the others with what they cannot open, just when they are to take up the work.
 */
import { recordTask } from '../audit/stage.ts';
import type { Json } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { KeySeal } from '../identity/key-seal.ts';
import { type CheckpointNews, CheckpointRoutes } from '../server/checkpoint-routes.ts';
import type { AccessPorts } from '../task/access.ts';
import { Checkpoints, type SealOf } from '../task/checkpoint.ts';
import type { CheckpointAccessPorts } from '../task/checkpoint-access.ts';
import { taintTask } from '../task/stage.ts';
import { EditableJson } from '../wire/segments.ts';
import type { Parts } from './parts.ts';

/** The seal of each task, under a key of its own; null where no secret is configured that all gateways share. */
export function checkpointSealOf({ keys, store }: Pick<Config, 'keys' | 'store'>, clock: Clock): SealOf | null {
  const secret = keys.secret ?? (store.kind === 'memory' ? clock.randomBytes(32).toString('base64url') : null);
  return secret === null ? null : (taskId) => new KeySeal(secret, clock, `checkpoint of ${taskId}`);
}

/** `bind` and `denySuspended` as where tasks are opened. */
export function checkpointRoutesOf(
  parts: Parts,
  access: AccessPorts,
  { bind, denySuspended }: Pick<CheckpointAccessPorts, 'bind' | 'denySuspended'>,
): CheckpointRoutes {
  const { store, clock, config, place, checkpointSeal: sealOf, inspector, carried, stages, trail, redact } = parts;
  const keepMs = config.task.checkpoint_seconds * 1000;
  const checkpoints = new Checkpoints({ store, clock, sealOf, region: place.region, keepMs });
  return new CheckpointRoutes({
    access: {
      ...{ ...access, bind, denySuspended },
      nowMs: () => clock.nowMs(),
      readableUntilMs: (record) => checkpoints.readableUntilMs(record),
    },
    checkpoints,
    scan: (document) => inspector.scan(new EditableJson(document).segments()),
    carriedBy: (agent) => carried.of(agent),
    carry: (agent, caught) => carried.keep(agent, caught),
    taint: (record, caught) => taintTask(stages, record, caught),
    record: (record, news, { trace }) => {
      const { deed, denial, status } = news;
      const operation = deed === 'write' ? 'task.checkpoint' : 'task.checkpoint_read';
      const happened = { record, operation, status, trace, details: detailsOf(news) } as const;
      if (denial !== null) return recordTask(trail, { ...happened, denial }, redact);
      return recordTask(trail, deed === 'write' ? happened : { ...happened, durable: false }, redact);
    },
  });
}

function detailsOf({ proof, reader, head, findings }: CheckpointNews): Json {
  const { etag, bytes, region, caught } = head ?? {};
  return {
    by: proof,
    ...(reader === null ? {} : { by_task: reader.id }),
    ...(etag === undefined
      ? {}
      : { etag, bytes: bytes ?? 0, written_in: region ?? '', taint: [...(caught?.taint ?? [])] }),
    findings: findings.map((finding) => ({ ...finding })),
  };
}
