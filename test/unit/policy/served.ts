/** An engine on a bundle server, with a clock of the test's own and real connections. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as realSleep } from 'node:timers/promises';
import type { JsonObject } from '../../../src/call.ts';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { fetchDefaults, type PolicyConfig } from '../../../src/policy/section.ts';
import { allowedHost, Dialer } from '../../../src/upstream/dialer.ts';
import { BundleServerFake } from '../../fakes/bundle-server.ts';
import { callDocument, engineOn, type Running } from './bundles.ts';

export interface Served extends Running {
  readonly server: BundleServerFake;
}

/** A server that is gone when the test is over. */
export async function serverOf(
  t: TestContext,
  ...how: Parameters<typeof BundleServerFake.open>
): Promise<BundleServerFake> {
  const server = await BundleServerFake.open(...how);
  t.after(() => server[Symbol.asyncDispose]());
  return server;
}

/** An engine, not opened yet, that looks at `server` each second. */
export async function engineServedBy(
  t: TestContext,
  server: BundleServerFake,
  {
    dataDir,
    fetch,
    clock,
    ...config
  }: Partial<PolicyConfig> & { readonly dataDir?: string; readonly clock?: Clock } = {},
): Promise<Served> {
  const bundle = `${server.url}/bundles/team.tar.gz`;
  const settings = { ...fetchDefaults, min_delay_seconds: 1, max_delay_seconds: 1, timeout_seconds: 2, ...fetch };
  const running = await engineOn(t, bundle, {
    config: { bundle, fetch: settings, ...config },
    ...(dataDir === undefined ? {} : { dataDir }),
    ...(clock === undefined ? {} : { clock }),
    opa: () => Promise.reject(new Error('what is served needs no compiler')),
    dialer: new Dialer({ clock: systemClock(), allow: [allowedHost(bundle)] }),
  });
  return { ...running, server };
}

/** What decides now, by the reason that its decisions give. */
export function markOf({ engine }: Running): string | undefined {
  return engine.decideCall(callDocument() as unknown as JsonObject).reasons[0]?.code;
}

/** Lets time pass until `condition` holds. */
export async function until({ clock }: Running, condition: () => boolean, what: string): Promise<void> {
  for (let look = 0; look < 600 && !condition(); look++) {
    await clock.advance(500);
    await realSleep(10);
  }
  assert.ok(condition(), what);
}
