/**
 * What every chapter of the story has in hand: the world, the gate from both its sides, and the coordinator. It also
 * remembers each token an agent ever held, to look for them later where none may be.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEvent } from '../../../src/audit/event.ts';
import { type Answered, callThroughGate, type OpenTask, openTask, type Workload, workloadToken } from '../agent.ts';
import { conversation } from '../world/script.ts';
import type { World } from '../world/world.ts';
import { needed, type Story } from './step.ts';

/** A running gate, as its starter and its auditors know it. */
export interface Gate {
  readonly url: string;
  readonly adminUrl: string;
  /** The auditor's bearer token of the admin plane. */
  readonly adminToken: string;
  readonly dataDir: string;
}

/** `gateway.id` of tollgate.yaml. */
export const gatewayId = 'gw-azure-weu';
export const purpose = 'return_exception';
/** Prices of `planner` in tollgate.yaml by target, in micro-dollars a token. */
export const plannerPrices: Readonly<Record<string, { readonly input: number; readonly output: number }>> = {
  'azure-weu': { input: 3, output: 12 },
  'aws-fra': { input: 4, output: 16 },
  'aws-use1': { input: 1, output: 4 },
};

/** The agent most of the story is about: its id at its issuer, `azure`. */
export const coordinatorId = 'coordinator';

const auditWaitMs = 3_000;
const auditPollMs = 50;

/** What a token says, unchecked. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
}

export class Scene {
  readonly world: World;
  readonly gate: Gate;
  readonly story: Story;
  constructor(world: World, gate: Gate, story: Story) {
    this.world = world;
    this.gate = gate;
    this.story = story;
  }

  /** The workload token of the coordinator in Azure, or of whom `workload` says. */
  async workloadToken(workload: Workload = this.world.issuers.azure.workload('coordinator')): Promise<string> {
    const token = await workloadToken(workload);
    this.world.agentTokens.add(token);
    return token;
  }

  /** What the coordinator asks a task for; `more` overrides members. */
  ask(more: object = {}): object {
    return { purpose, subject: { id: conversation.customerId, type: 'customer' }, ...more };
  }

  /** A fresh task of the coordinator, for a step of its own: what one guard counts must not disturb another. */
  async task(more: object = {}): Promise<OpenTask> {
    const opened = await openTask(this.gate.url, await this.workloadToken(), this.ask(more));
    if (opened.status !== 201) throw new Error(`POST /tasks answered ${opened.status}: ${JSON.stringify(opened.body)}`);
    const task = opened.body as OpenTask;
    this.world.agentTokens.add(task.task_token);
    return task;
  }

  call(task: OpenTask, method: string, path: string, body?: object): Promise<Answered> {
    const request = { method, path, ...(body === undefined ? {} : { body }) };
    return callThroughGate(this.gate.url, task.task_token, request);
  }

  /** The task as `GET /tasks/{id}` shows it. */
  async taskView(task: OpenTask): Promise<Answered['body']> {
    return (await this.call(task, 'GET', `/tasks/${task.task_id}`)).body;
  }

  async admin(path: string): Promise<Answered['body']> {
    const response = await fetch(`${this.gate.adminUrl}${path}`, {
      headers: { authorization: `Bearer ${this.gate.adminToken}` },
    });
    if (response.status !== 200) throw new Error(`GET ${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  }

  /** The audit events that `filters` select, all pages of them. */
  async events(filters: Readonly<Record<string, string>>): Promise<AuditEvent[]> {
    const events: AuditEvent[] = [];
    let cursor: string | undefined;
    do {
      const query = new URLSearchParams({ ...filters, ...(cursor === undefined ? {} : { cursor }) });
      const page = await this.admin(`/audit/events?${query}`);
      events.push(...needed<AuditEvent[]>(page.events, 'the list of events'));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    return events;
  }

  /** The same, once `enough` says so: the outcome of a read may reach the trail a moment after its answer. */
  async eventsUntil(
    filters: Readonly<Record<string, string>>,
    enough: (events: readonly AuditEvent[]) => boolean,
  ): Promise<AuditEvent[]> {
    const deadline = performance.now() + auditWaitMs;
    for (;;) {
      const events = await this.events(filters);
      if (enough(events) || performance.now() > deadline) return events;
      await sleep(auditPollMs);
    }
  }

  /** How many requests each program behind the gate has received. */
  receivedCounts(): Record<string, number> {
    return Object.fromEntries([...this.world.received()].map(([name, received]) => [name, received.length]));
  }

  /** Whether nothing was received since. */
  sameCounts(before: Readonly<Record<string, number>>): boolean {
    const now = this.receivedCounts();
    return Object.keys(now).every((name) => now[name] === before[name]);
  }

  /** What the model servers have counted since entry `from` of their ledger, at the gate's prices. */
  modelCostMicroUsd(from: number): number {
    let cost = 0;
    for (const { target, promptTokens, completionTokens } of this.world.ledger.slice(from)) {
      const { input, output } = needed(plannerPrices[target], `the price of ${target}`);
      cost += promptTokens * input + completionTokens * output;
    }
    return cost;
  }
}
