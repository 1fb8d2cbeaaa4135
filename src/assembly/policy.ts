/**
 * The policies of a gate, put together. Each bundle has a dialer of its own, which reaches its server and nothing
 * else: where policies come from is no target, and no target may stand in for it.
 */
import { findOpa } from '../../scripts/opa.js';
import { recordPolicy } from '../audit/stage.ts';
import type { Config } from '../config/schema.ts';
import { PolicyEngine } from '../policy/engine.ts';
import type { LintWorld } from '../policy/lint/world.ts';
import { PastRevisions } from '../policy/past-revisions.ts';
import { Policies } from '../policy/policies.ts';
import { isServed } from '../policy/section.ts';
import { Verdicts } from '../policy/verdict.ts';
import { allowedHost, Dialer } from '../upstream/dialer.ts';
import type { Foundation } from './parts.ts';
import { portsOf } from './rollout.ts';

/** A little over the largest bundle, whose bound is the reader's. */
const bounds = { connectionsMax: 2, inFlightMax: 4, bodyBytesMax: 33 * 1_048_576 };

type Materials = Pick<
  Foundation,
  'env' | 'clock' | 'log' | 'place' | 'trail' | 'faulted' | 'rollout' | 'policyChanged'
>;

/** Opens the policies of `config.policy`, which may speak of what is in `world`. Rejects with BundleError; nothing is left open then. */
export async function openPolicies(
  { policy: config, gateway }: Pick<Config, 'policy' | 'gateway'>,
  baseDir: string,
  world: LintWorld,
  { env, clock, log, place, trail, faulted, rollout, policyChanged }: Materials,
): Promise<Policies> {
  const verdicts = new Verdicts({ clock, log });
  const loaded = (): string[] => [stable, candidate].flatMap((engine) => engine?.revision?.loaded.content ?? []);
  const past = new PastRevisions({ dataDir: gateway.data_dir, clock, log, inForce: loaded });
  const ca = config.fetch?.ca;
  const engineOn = (bundle: string, optional: boolean) =>
    new PolicyEngine({
      ...{ baseDir, clock, log, verdicts, optional, world: () => world },
      config: { ...config, bundle },
      dataDir: gateway.data_dir,
      opa: () => findOpa({ env, log: (line) => log('info', line) }),
      dialer: new Dialer({
        clock,
        allow: [bundle].filter(isServed).map(allowedHost),
        ...bounds,
        ...(ca === undefined ? {} : { ca }),
      }),
      gateway: place,
      keep: (revision, kept) => past.keep(revision, kept),
      changed: (active, before) => {
        if (before !== null) past.remember(before);
        recordPolicy(trail, active, optional ? 'policy.candidate' : 'policy.activate').catch((fault: unknown) =>
          faulted('audit', fault),
        );
        for (const tell of policyChanged) tell();
      },
    });
  const stable = engineOn(config.bundle, false);
  const candidate = config.shadow === undefined ? null : engineOn(config.shadow, true);
  const policies = new Policies({
    ...{ stable, candidate, past, verdicts, clock },
    ...portsOf(rollout),
  });
  try {
    await policies.open();
    return policies;
  } catch (fault) {
    await policies[Symbol.asyncDispose]();
    throw fault;
  }
}
