/**
 * The `idempotency` section of tollgate.yaml: how long a repeated write gets the first answer again, and what is kept for
 * that. Marks themselves cannot be switched off: what an agent has named must not happen twice.
 */
import Type from 'typebox';

export const idempotencySection = Type.Object(
  {
    window_seconds: Type.Integer({
      default: 86_400,
      minimum: 60,
      maximum: 604_800,
      description:
        'How long a repeated call under one key gets the answer of the first again, as long as its task lives.',
    }),
    entry_bytes: Type.Integer({
      default: 262_144,
      minimum: 1_024,
      maximum: 4_194_304,
      description:
        'The longest answer that is kept, in bytes of its body. The repeat of a call with a longer one is told that it was made, and not what was answered.',
    }),
    task_bytes: Type.Integer({
      default: 8_388_608,
      minimum: 1_024,
      maximum: 1_073_741_824,
      description: 'What this gateway keeps of the answers to one task at once; beyond it no more answers are kept.',
    }),
    total_bytes: Type.Integer({
      default: 67_108_864,
      minimum: 1_024,
      maximum: 1_073_741_824,
      description: 'The same of all tasks together.',
    }),
    tool_call_ids: Type.Boolean({
      default: true,
      description:
        'Whether a write or delete without a key, for which the agent names the tool call of its model, is known by that and its arguments.',
    }),
  },
  {
    default: {},
    additionalProperties: false,
    description:
      'Repeated calls under one Idempotency-Key. In a shared store, answers are kept with keys.secret alone.',
  },
);

export type IdempotencyConfig = Type.Static<typeof idempotencySection>;
