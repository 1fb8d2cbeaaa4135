/**
 * The `store` section of tollgate.yaml: where shared state lives. `memory` is for one gateway alone; its budgets
 * and tasks are gone when the process ends.
 */
import Type from 'typebox';

export const storeSection = Type.Object(
  {
    kind: Type.Enum(['memory'], {
      description: 'The backend of shared state; `memory` serves a single gateway and forgets at its end.',
      default: 'memory',
    }),
  },
  {
    additionalProperties: false,
    description: 'Shared state: tasks, budgets, reservations and messages between gateways.',
    default: {},
  },
);

export type StoreConfig = Type.Static<typeof storeSection>;
