/**
 * What every operation of a tool has, whatever protocol it is called by: its name, and what the routing table says of it.
 * Nothing here is taken from what a service says of itself but the text that sums it up.
 */
import type { Effect, JsonObject, Operation } from '../call.ts';
import { labelsOf, type RouteSettings } from './dialect.ts';

/** What the routing table says of one operation. */
export type OperationSettings = RouteSettings['operations'][string];

export abstract class ToolOperation implements Operation {
  readonly name: string;
  readonly route: string;
  readonly kind = 'tool';
  readonly effect: Effect;
  readonly summary: string;
  abstract readonly inputSchema: JsonObject;
  readonly remember: readonly string[];
  readonly reads: Operation['reads'];
  readonly sends: Operation['sends'];
  readonly callMicroUsd?: number;

  /** `effect` is the one it has where the routing table is silent. */
  constructor(
    route: string,
    { id, summary, effect }: { readonly id: string; readonly summary: string; readonly effect: Effect },
    settings: OperationSettings | undefined,
  ) {
    this.name = `${route}.${id}`;
    this.route = route;
    this.effect = settings?.effect ?? effect;
    this.summary = summary;
    this.remember = settings?.remember ?? [];
    const { reads, sends } = labelsOf(settings);
    this.reads = reads;
    this.sends = sends;
    if (settings?.callMicroUsd !== undefined) this.callMicroUsd = settings.callMicroUsd;
  }
}
