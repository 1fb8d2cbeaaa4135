/** The `audit` section of tollgate.yaml: where the trail is kept, and what waits until it is safely there. */
import Type from 'typebox';

export const auditSection = Type.Object(
  {
    sink: Type.Literal('sqlite', {
      default: 'sqlite',
      description: 'Where the trail is kept: a SQLite database in `gateway.data_dir`.',
    }),
    durability: Type.Object(
      {
        read: Type.Union([Type.Literal('relaxed'), Type.Literal('strict')], {
          default: 'relaxed',
          description:
            'Reads: `relaxed` sends a call once its intent is queued, `strict` once it is on disk. A crash can lose what was queued.',
        }),
        write: Type.Literal('strict', {
          default: 'strict',
          description: 'Writes, deletes and model calls: sent only once their intent is on disk.',
        }),
      },
      { default: {}, additionalProperties: false, description: 'What must be on disk before a call is sent.' },
    ),
    sign_every: Type.Integer({
      default: 1000,
      minimum: 1,
      maximum: 1_000_000,
      description: 'A signed checkpoint is kept for every so many events. The newest head is signed at every commit.',
    }),
    payload_bytes: Type.Integer({
      default: 65_536,
      minimum: 1024,
      maximum: 4_194_304,
      description: 'How much of one redacted payload is kept beside an event; the rest is cut off, and marked so.',
    }),
    queue_events: Type.Integer({
      default: 10_000,
      minimum: 16,
      maximum: 1_000_000,
      description:
        'How many events may wait for the disk. When it is full, calls are denied `audit_unavailable`; outcomes have as much room again.',
    }),
    refusals_per_second: Type.Integer({
      default: 10,
      minimum: 1,
      maximum: 10_000,
      description: 'How many refusals of unknown callers are recorded a second. The others are counted.',
    }),
  },
  { default: {}, additionalProperties: false, description: 'The audit trail.' },
);

export type AuditConfig = Type.Static<typeof auditSection>;
