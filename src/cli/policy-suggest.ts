/** `tollgate policy suggest`: the least toolset that a purpose used, as a block of YAML to read and to cut. */
import { parseArgs } from 'node:util';
import { RecordedTrail } from '../audit/recorded.ts';
import type { Json, JsonObject } from '../call.ts';
import type { Config } from '../config/schema.ts';
import { ShapeCheck } from '../policy/check.ts';
import { suggest } from '../policy/replay/suggestion.ts';
import { yamlOf } from '../policy/replay/suggestion-yaml.ts';
import { Usage as PurposeUsage, unlookedAt } from '../policy/replay/usage.ts';
import { type Command, type Surroundings, Usage } from './command.ts';
import { namedTrail, openCandidate, sinceMs, trailHelp, trailOptions } from './policy-trail.ts';

export const policySuggest: Command = {
  help: `usage: tollgate policy suggest --purpose P [--since 30d] (--config F | --data-dir D) [--bundle B] [--json]

Reads the recorded calls of tasks for the purpose P and prints what they used, as a block in the format of
policies/tollgate/purposes/data.yaml: operations, effects, arguments that always were the subject, the largest amounts,
models, regions, budgets, each with how often it was seen; and what the purpose allows now and never used. Refuses where
the trail holds too little. It changes nothing.

  --purpose P       the purpose, as tasks name it
  --since SPAN      how far back: 30m, 8h, 30d (the default)
${trailHelp}
  --bundle B        the policies to compare with; with --config those it names, if they are a folder or a file
  --json            what was gathered, as JSON

Exit 0 proposed, 1 too little to say anything, 2 usage.`,
  async run(argv, surroundings) {
    const options = { ...trailOptions, purpose: { type: 'string' } } as const;
    const { values } = parseArgs({ args: [...argv], options });
    if (values.purpose === undefined) throw new Usage('--purpose P is missing');
    const span = values.since ?? '30d';
    const fromMs = sinceMs(span);
    const { dataDir, config } = await namedTrail(values, surroundings);
    const check = new ShapeCheck();
    using trail = new RecordedTrail(dataDir);
    const fits = (input: Json) => 'bytes' in check.input('call', input, unlookedAt);
    const usage = new PurposeUsage(values.purpose, fits, trail);
    for (const page of trail.pages({ fromMs, types: ['intent', 'outcome', 'denial'] })) {
      for (const { event, input } of page) usage.add(event, input);
    }
    const purposes = await purposesOf(values.bundle ?? localBundle(config), surroundings);
    const suggested = suggest(usage, { purposes, remember: rememberedOf(config) });
    if ('tooLittle' in suggested) throw new Error(suggested.tooLittle);
    const { suggestion } = suggested;
    surroundings.out(values.json ? JSON.stringify(suggestion, null, 2) : yamlOf(suggestion, `in the last ${span}`));
    return 0;
  },
};

/** The bundle that the configuration names, where it lies on this machine. */
function localBundle(config: Config | null): string | undefined {
  const bundle = config?.policy.bundle;
  return bundle === undefined || /^https?:/.test(bundle) ? undefined : bundle;
}

async function purposesOf(bundle: string | undefined, surroundings: Surroundings): Promise<JsonObject | null> {
  if (bundle === undefined) return null;
  const { data } = await openCandidate(bundle, surroundings);
  const purposes = (data.tollgate as JsonObject | undefined)?.purposes;
  return typeof purposes === 'object' && purposes !== null && !Array.isArray(purposes)
    ? (purposes as JsonObject)
    : null;
}

/** What the routing table says to remember, by operation. */
function rememberedOf(config: Config | null): ReadonlyMap<string, readonly string[]> {
  const remembered = new Map<string, readonly string[]>();
  for (const route of config?.routes ?? []) {
    if (route.kind !== 'http') continue;
    for (const [name, { remember }] of Object.entries(route.operations))
      remembered.set(`${route.name}.${name}`, remember);
  }
  return remembered;
}
