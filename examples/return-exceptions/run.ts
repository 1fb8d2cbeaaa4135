/** The story: four chapters, each step asserted. `start.ts` runs it once at every start; CI runs it with `--once`. */
import { budget } from './story/budget.ts';
import { guards } from './story/guards.ts';
import { journey } from './story/journey.ts';
import { type Gate, Scene } from './story/scene.ts';
import { type StepResult, Story } from './story/step.ts';
import { strangers } from './story/strangers.ts';
import { type Entry, trail } from './story/trail.ts';
import { verify } from './story/verify.ts';
import type { World } from './world/world.ts';

export type { Gate } from './story/scene.ts';

export interface StoryResult {
  readonly ok: boolean;
  readonly steps: readonly StepResult[];
  /** The coordinator's task as the audit trail tells it. */
  readonly told: readonly Entry[];
}

/** Runs the whole story against an open world and a running gate that were not used before. Never rejects. */
export async function runStory(world: World, gate: Gate): Promise<StoryResult> {
  const story = new Story();
  const scene = new Scene(world, gate, story);
  const made = await journey(scene);
  await guards(scene);
  await budget(scene);
  await strangers(scene);
  const told = await trail(scene, made);
  await verify(scene);
  return { ok: story.results.every(({ problems }) => problems.length === 0), steps: story.results, told };
}
