/** The story: seven chapters, each step asserted. `start.ts` runs it once at every start; CI runs it with `--once`. */
import { budget } from './story/budget.ts';
import { captured } from './story/captured.ts';
import { clouds } from './story/clouds.ts';
import { customer } from './story/customer.ts';
import { guards } from './story/guards.ts';
import { issuers } from './story/issuers.ts';
import { journey } from './story/journey.ts';
import { type Gate, Scene } from './story/scene.ts';
import { secondAgent } from './story/second-agent.ts';
import { type StepResult, Story } from './story/step.ts';
import { strangers } from './story/strangers.ts';
import { tools } from './story/tools.ts';
import { type Entry, trail } from './story/trail.ts';
import { verify } from './story/verify.ts';
import type { World } from './world/world.ts';

export type { Gate } from './story/scene.ts';

export interface StoryResult {
  readonly ok: boolean;
  readonly steps: readonly StepResult[];
  /** Tasks as the audit trail tells them: the coordinator's, and the part of legal-risk. */
  readonly told: readonly Told[];
}

export interface Told {
  readonly whose: string;
  readonly entries: readonly Entry[];
}

/** Runs the whole story against an open world and a running gate that were not used before. Never rejects. */
export async function runStory(world: World, gate: Gate): Promise<StoryResult> {
  const story = new Story();
  const scene = new Scene(world, gate, story);
  const made = await journey(scene);
  const part = await secondAgent(scene);
  await clouds(scene, made);
  await guards(scene);
  await budget(scene);
  await issuers(scene);
  await customer(scene);
  await captured(scene);
  await strangers(scene);
  await tools(scene);
  const whole = await trail(scene, made);
  await verify(scene);
  const told = [
    { whose: 'the task of the coordinator', entries: whole },
    { whose: 'what legal-risk did in its part of another', entries: part },
  ];
  return { ok: story.results.every(({ problems }) => problems.length === 0), steps: story.results, told };
}
