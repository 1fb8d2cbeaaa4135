/**
 * The `cache` section of tollgate.yaml: bounds of the answers that are kept for equal calls. Nothing is kept by it
 * alone: the policy says of which calls (obligation `cache`), and for how long.
 */
import Type from 'typebox';

export const cacheSection = Type.Object(
  {
    enabled: Type.Boolean({
      default: true,
      description: 'Whether answers are kept where the policy allows it. Off, they are not looked up either.',
    }),
    entry_bytes: Type.Integer({
      default: 262_144,
      minimum: 1_024,
      maximum: 4_194_304,
      description: 'The longest answer that is kept, in bytes of its body.',
    }),
    total_bytes: Type.Integer({
      default: 67_108_864,
      minimum: 1_024,
      maximum: 1_073_741_824,
      description: 'What this gateway may keep in the store at once; beyond it its oldest answers go.',
    }),
    ttl_seconds_max: Type.Integer({
      default: 86_400,
      minimum: 1,
      maximum: 604_800,
      description: 'The longest that an answer is kept, whatever the policy grants.',
    }),
    namespace: Type.String({
      default: '',
      maxLength: 64,
      pattern: '^[A-Za-z0-9._-]*$',
      description: 'Another one empties the cache: nothing that was kept under the one before is found any more.',
    }),
  },
  {
    default: {},
    additionalProperties: false,
    description: 'Answers of models that are kept for equal calls. In a shared store they need keys.secret.',
  },
);

export type CacheConfig = Type.Static<typeof cacheSection>;
