/**
 * The policy engine, put together. It has a dialer of its own, which reaches the bundle server and nothing else: where
 * policies come from is no target, and no target may stand in for it.
 */
import { findOpa } from '../../scripts/opa.js';
import { recordPolicy } from '../audit/stage.ts';
import type { Config } from '../config/schema.ts';
import { PolicyEngine } from '../policy/engine.ts';
import { isServed } from '../policy/section.ts';
import { allowedHost, Dialer } from '../upstream/dialer.ts';
import type { Foundation } from './parts.ts';

/** A little over the largest bundle, whose bound is the reader's. */
const bounds = { connectionsMax: 2, inFlightMax: 4, bodyBytesMax: 33 * 1_048_576 };

/** Opens an engine on `config.policy`. Rejects with BundleError; nothing is left open then. */
export async function openPolicy(
  { policy: config, gateway }: Pick<Config, 'policy' | 'gateway'>,
  baseDir: string,
  { env, clock, log, place, trail, faulted }: Pick<Foundation, 'env' | 'clock' | 'log' | 'place' | 'trail' | 'faulted'>,
): Promise<PolicyEngine> {
  const ca = config.fetch?.ca;
  const allow = [config.bundle].filter(isServed).map(allowedHost);
  const engine = new PolicyEngine({
    ...{ config, baseDir, clock, log },
    dataDir: gateway.data_dir,
    opa: () => findOpa({ env, log: (line) => log('info', line) }),
    dialer: new Dialer({ clock, allow, ...bounds, ...(ca === undefined ? {} : { ca }) }),
    gateway: place,
    changed: (active) => recordPolicy(trail, active).catch((fault: unknown) => faulted('audit', fault)),
  });
  try {
    await engine.open();
    return engine;
  } catch (fault) {
    await engine[Symbol.asyncDispose]();
    throw fault;
  }
}
