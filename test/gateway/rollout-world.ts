/**
 * A gate with a candidate beside its policies: the candidate denies what a task labels `candidate: deny`, and allows what
 * the bundle in force denies for the label `deny`, if the task also says `candidate: allow`.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Gate } from '../../src/main.ts';
import { type OpenedTask, World } from './world.ts';

const fixture = resolve(import.meta.dirname, '../fixtures/policy');
const callRules = 'tollgate/call/decision.rego';

export const candidateCode = 'candidate_says_no';

interface Counts {
  readonly decisions: number;
  readonly agree: number;
  readonly new_deny: number;
  readonly new_allow: number;
  readonly error: number;
}

interface Standing {
  readonly gateway: string;
  readonly revision: string;
  readonly content: string;
  readonly candidate: { readonly revision: string; readonly content: string } | null;
  readonly stage: string;
  readonly percent: number;
}

export interface PolicyDocument {
  readonly gateway: Standing;
  readonly gateways: readonly Standing[];
  readonly rollout: null | {
    readonly id: string;
    readonly content: string;
    readonly stage: string;
    readonly percent: number;
    readonly by: string;
    readonly reason?: { readonly code: string };
  };
  readonly comparison: {
    readonly acted: Counts;
    readonly shadowed: Counts;
    readonly samples: readonly Record<string, unknown>[];
  };
}

export interface Refused {
  readonly status: number;
  readonly code?: string;
  readonly reasons?: readonly { readonly code: string; readonly message?: string }[];
}

export class RolloutWorld implements AsyncDisposable {
  readonly world: World;
  readonly #folder: string;

  private constructor(world: World, folder: string) {
    this.world = world;
    this.#folder = folder;
  }

  static async open(
    rollout: Record<string, number> = {},
    config: Record<string, Record<string, unknown>> = {},
  ): Promise<RolloutWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'tollgate-rollout-'));
    for (const name of ['stable', 'next']) await cp(fixture, join(folder, name), { recursive: true });
    await writeFile(join(folder, 'next', callRules), await candidateRules());
    const policy = { bundle: join(folder, 'stable'), shadow: join(folder, 'next'), rollout };
    return new RolloutWorld(await World.open({ config: { ...config, policy } }), folder);
  }

  /** Publishes the candidate as the bundle in force. */
  async publish(): Promise<void> {
    await writeFile(join(this.#folder, 'stable', callRules), await candidateRules());
  }

  async policy(gate: Gate = this.world.gate): Promise<PolicyDocument> {
    const response = await fetch(`${gate.adminUrl}/policy`, {
      headers: { authorization: `Bearer ${gate.adminToken}` },
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text) as PolicyDocument;
  }

  /** Asks for a step; gives the status and what was answered. */
  async step(body: Record<string, unknown>): Promise<Refused> {
    const headers = { 'content-type': 'application/json' };
    const response = await this.world.admin('/policy/rollout', { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, ...((await response.json()) as object) };
  }

  /** A task that the candidate denies its refunds, for this subject. */
  denied(subject: string): Promise<OpenedTask> {
    return this.world.task({ subject: { id: subject }, labels: { candidate: 'deny' } });
  }

  /** The status of a refund, and the code of the first reason where it is refused. */
  async refund(task: OpenedTask): Promise<string> {
    const response = await this.world.refund(task.token, 5);
    const { reasons } = (await response.json()) as Refused;
    return response.status === 200 ? '200' : `${response.status} ${reasons?.[0]?.code}`;
  }

  async until(what: string, condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
    const end = performance.now() + withinMs;
    while (performance.now() < end) {
      if (await condition()) return;
      await sleep(20);
    }
    assert.fail(what);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function candidateRules(): Promise<string> {
  const rules = await readFile(join(fixture, callRules), 'utf8');
  const own = 'labels.deny == input.call.operation';
  assert.ok(rules.includes(own));
  return `${rules.replace(own, `${own}\n\tobject.get(labels, "candidate", "") != "allow"`)}
deny contains {"code": "${candidateCode}", "message": "The candidate denies this."} if {
	input.call.operation == "orders.create_refund"
	labels.candidate == "deny"
}
`;
}
