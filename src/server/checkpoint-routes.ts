/**
 * `GET` and `PUT /tasks/{id}/checkpoint`: the state of a task, as JSON that only its agent understands. It comes back
 * byte for byte. Who may is for `task/checkpoint-access.ts`; here a body is bounded, read strictly and looked through.
 * Secrets are refused, since whoever resumes has none to be given; personal data may be kept, and is told.
 */
import type { Agent, Finding, Json, ShownToken, TaskRecord } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { findingsMax } from '../inspection/finding_limit.ts';
import { refusal, secretTypes } from '../inspection/obey.ts';
import type { Reply } from '../pipeline.ts';
import type { Proof } from '../task/access.ts';
import { type Caught, withCaught } from '../task/caught.ts';
import { type CheckpointHead, type Checkpoints, checkpointBytesMax } from '../task/checkpoint.ts';
import { accessCheckpoint, type CheckpointAccessPorts } from '../task/checkpoint-access.ts';
import type { RawRequest } from '../wire/dialect.ts';
import { parseJson } from '../wire/json.ts';
import { requestMediaType } from '../wire/media.ts';
import { isKnown, type Precondition, preconditionOf } from '../wire/precondition.ts';
import type { RequestContext } from './arrival.ts';
import { jsonReply } from './reply.ts';

/** What happened to a checkpoint: never its text. */
export interface CheckpointNews {
  readonly deed: 'read' | 'write';
  readonly proof: Proof;
  /** The other task that read it, or null. */
  readonly reader: TaskRecord | null;
  readonly head: CheckpointHead | null;
  readonly findings: readonly Finding[];
  readonly denial: Denial | null;
  readonly status: number;
}

export interface CheckpointRoutesPorts {
  readonly access: CheckpointAccessPorts;
  readonly checkpoints: Checkpoints;
  /** Everything that is found in a document, secrets included. */
  readonly scan: (document: Json) => readonly Finding[];
  /** What an agent without a task knows from its last ones. */
  readonly carriedBy: (agent: Agent) => Promise<Caught>;
  /** Notes what an agent without a task has read, for its next one. */
  readonly carry: (agent: Agent, caught: Caught) => Promise<void>;
  /** Notes what a task has read, there and above it. */
  readonly taint: (record: TaskRecord, caught: Caught) => Promise<Denial | undefined>;
  /** Resolves when a write is on disk, and a read or a refusal accepted. */
  readonly record: (record: TaskRecord, news: CheckpointNews, context: RequestContext) => Promise<void>;
}

export class CheckpointRoutes {
  readonly #ports: CheckpointRoutesPorts;

  constructor(ports: CheckpointRoutesPorts) {
    this.#ports = ports;
  }

  /** Answers a GET or a PUT; what it may not have is a denial for the caller to encode. */
  async answer(
    request: RawRequest,
    credential: ShownToken | null,
    id: string,
    context: RequestContext,
  ): Promise<Reply | Denial> {
    const precondition = preconditionOf(request);
    if (isDenial(precondition)) return precondition;
    return request.method === 'PUT'
      ? this.#write(request, credential, id, precondition, context)
      : this.#read(credential, id, precondition, context);
  }

  async #read(
    credential: ShownToken | null,
    id: string,
    precondition: Precondition,
    context: RequestContext,
  ): Promise<Reply | Denial> {
    const { access, checkpoints, taint, carry, record } = this.#ports;
    const found = await accessCheckpoint(access, credential, id, 'read');
    if (isDenial(found)) return found;
    const other = found.reader?.id === found.record.id ? null : found.reader;
    const common = { deed: 'read', proof: found.proof, reader: other, findings: [] } as const;
    const checkpoint = await checkpoints.read(found.record);
    if (isDenial(checkpoint)) {
      await record(found.record, { ...common, head: null, denial: checkpoint, status: checkpoint.status }, context);
      return checkpoint;
    }
    if (checkpoint === undefined) return noCheckpoint();
    // Before its first byte goes out: whoever reads it has read what its task had.
    const { caught } = checkpoint;
    const refused = found.reader === null ? await carry(found.record.agent, caught) : await taint(found.reader, caught);
    if (isDenial(refused)) return refused;
    const status = isKnown(precondition, checkpoint.etag) ? 304 : 200;
    await record(found.record, { ...common, head: checkpoint, denial: null, status }, context);
    const headers = { etag: checkpoint.etag, 'cache-control': 'no-store' };
    if (status === 304) return { status, headers, body: Buffer.alloc(0) };
    const type = { 'content-type': 'application/json; charset=utf-8' };
    return { status, headers: { ...type, ...headers }, body: Buffer.from(checkpoint.text) };
  }

  async #write(
    request: RawRequest,
    credential: ShownToken | null,
    id: string,
    precondition: Precondition,
    context: RequestContext,
  ): Promise<Reply | Denial> {
    const { access, checkpoints, scan, carriedBy, record } = this.#ports;
    const found = await accessCheckpoint(access, credential, id, 'write');
    if (isDenial(found)) return found;
    const document = documentOf(request);
    if (isDenial(document)) return document;
    const findings = scan(document);
    const secrets = findings.filter(({ type }) => secretTypes.has(type));
    const { proof } = found;
    const common = { deed: 'write', proof, reader: null, findings: findings.slice(0, findingsMax) } as const;
    const refuse = async (denial: Denial): Promise<Denial> => {
      await record(found.record, { ...common, head: null, denial, status: denial.status }, context);
      return denial;
    };
    if (secrets.length > 0) return refuse(refusal(secrets, 'A checkpoint holds no secrets'));
    const caught: Caught =
      found.reader === null ? withCaught<Caught>(found.record, await carriedBy(found.record.agent)) : found.record;
    const written = await checkpoints.write(found.record, request.body.toString('utf8'), caught, precondition);
    if (isDenial(written)) return written.code === 'residency_violation' ? refuse(written) : written;
    const { head, first } = written;
    const status = first ? 201 : 200;
    await record(found.record, { ...common, head, denial: null, status }, context);
    return jsonReply(
      status,
      {
        etag: head.etag,
        bytes: head.bytes,
        written_at: new Date(head.writtenAtMs).toISOString(),
        readable_until: new Date(checkpoints.readableUntilMs(found.record)).toISOString(),
        findings: common.findings.map((finding) => ({ ...finding })),
      },
      { etag: head.etag },
    );
  }
}

/** The body, strictly read. Denies 413, 415, and 400 for what is no JSON, or has two readings. */
function documentOf(request: RawRequest): Json | Denial {
  const media = requestMediaType(request);
  if (isDenial(media)) return media;
  if (media?.type !== 'application/json') {
    return deny('media_type_unsupported', 'A checkpoint is sent as content-type: application/json.');
  }
  if (request.body.length > checkpointBytesMax) {
    return deny('too_large', `A checkpoint is at most ${checkpointBytesMax} bytes of JSON.`);
  }
  const read = parseJson(request.body);
  if (!('fault' in read)) return read.value;
  return deny('request_invalid', `The checkpoint cannot be read: ${read.fault.message}.`);
}

function noCheckpoint(): Denial {
  return deny('route_unknown', 'This task has no checkpoint.', {
    reasons: [{ code: 'checkpoint_absent', message: 'It was never written; write it with If-None-Match: *.' }],
  });
}
