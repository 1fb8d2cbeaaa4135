/** `system.log` of a loaded bundle, asked over the events of the decision log. */
import type { JsonObject } from '../../call.ts';
import type { LogPolicy } from './event.ts';

/** The packages of OPA that say what of a decision leaves; both are optional. */
export const logEntrypoints = { mask: 'system/log/mask', drop: 'system/log/drop' } as const;
export type LogEntrypoint = (typeof logEntrypoints)[keyof typeof logEntrypoints];

/** What is needed of a loaded bundle. */
export interface LogBundle {
  hasEntrypoint(path: LogEntrypoint): boolean;
  /** Undefined where the rule is; throws what the module threw. */
  evaluateEntrypoint(path: LogEntrypoint, input: ArrayBuffer): unknown;
}

/** What `bundle` says of events; null where it has neither entry point, so that nothing need be evaluated. */
export function logPolicyOf(bundle: LogBundle): LogPolicy | null {
  const has = { mask: bundle.hasEntrypoint(logEntrypoints.mask), drop: bundle.hasEntrypoint(logEntrypoints.drop) };
  if (!has.mask && !has.drop) return null;
  const ask = (name: LogEntrypoint, event: JsonObject) =>
    bundle.evaluateEntrypoint(name, new TextEncoder().encode(JSON.stringify(event)).buffer);
  return {
    mask: (event) => (has.mask ? ask(logEntrypoints.mask, event) : undefined),
    drop: (event) => (has.drop ? ask(logEntrypoints.drop, event) : undefined),
  };
}
