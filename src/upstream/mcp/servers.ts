/**
 * The servers behind mcp routes: how calls go to them, what they offer, what they tell outside of calls, and the end of
 * sessions with them. The one door of this folder; what is behind it knows nothing of rooms.
 */
import type { Admitted, Target, TaskRecord, ToolDefinition } from '../../call.ts';
import type { Tried } from '../../outcome.ts';
import { RecentMap } from '../../store/recent-map.ts';
import type { Subscription } from '../../store/store.ts';
import type { Errand } from '../send.ts';
import { HttpCalls } from './http-call.ts';
import { type Ear, Listeners } from './listeners.ts';
import { listOfProgram, listOverHttp } from './listing.ts';
import { handOn } from './notices.ts';
import { type McpPorts, taskErrand } from './ports.ts';
import type { ProgramServer } from './program.ts';
import { ProgramCalls } from './program-call.ts';
import { ReadyServers } from './ready.ts';
import { clientPart } from './sessions.ts';
import { Subscriptions } from './subscriptions.ts';

export type { Ear } from './listeners.ts';

export interface McpServersParts extends Omit<McpPorts, 'changed'> {
  /** Targets that are programs of this machine. */
  readonly programs: readonly (readonly [Target, ProgramServer])[];
  /** A target of the routing table in force. */
  readonly targetOf: (route: string, target: string) => Target | undefined;
  /** The record of a task that has ended. */
  readonly taskOf: (tenant: string, taskId: string) => Promise<TaskRecord | undefined>;
  /** Channel on which every gateway hears of tasks that have ended. */
  readonly endedChannel: string;
}

/** Tasks whose sessions are ended when they end, the last that called a server from here; those of others end unused. */
const tasksMax = 10_000;

export class McpServers implements AsyncDisposable {
  readonly #parts: McpServersParts & McpPorts;
  readonly #servers: ReadyServers;
  readonly #http: HttpCalls;
  readonly #programs: ProgramCalls;
  readonly #listeners: Listeners;
  /** Of tasks that called a server from here: their tenants. */
  readonly #tasks = new RecentMap<string>(tasksMax);
  #changed: McpPorts['changed'] = () => undefined;
  #subscription: Subscription | undefined;
  #unlisten: readonly (() => void)[] = [];

  constructor(parts: McpServersParts) {
    this.#parts = { ...parts, changed: (target, method) => this.#changed(target, method) };
    this.#servers = new ReadyServers(this.#parts);
    const subscriptions = new Subscriptions(parts);
    this.#http = new HttpCalls(this.#parts, this.#servers, subscriptions);
    this.#programs = new ProgramCalls(parts, subscriptions);
    this.#listeners = new Listeners(this.#parts, this.#servers, subscriptions);
  }

  async open(): Promise<void> {
    await this.#listeners.open();
    this.#unlisten = this.#parts.programs.map(([target, program]) =>
      program.listen((notice) => void handOn(this.#parts, target, { kind: 'notification', ...notice }, undefined)),
    );
    this.#subscription = await this.#parts.store.subscribe(this.#parts.endedChannel, (message) => {
      const { task, state } = message as { readonly task?: unknown; readonly state?: unknown };
      if (typeof task === 'string' && state !== 'paused') this.#taskEnded(task);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten();
    await this.#subscription?.close();
    await this.#listeners[Symbol.asyncDispose]();
  }

  /**
   * One attempt at a target of an mcp route. Its answer is one JSON-RPC response; failures are denials as everywhere.
   * Rejects with `StoreUnavailable` where the session with the server cannot be looked up.
   */
  attempt(call: Admitted, target: Target): Promise<Tried> {
    const { id, agent } = call.task.record;
    this.#tasks.set(id, agent.tenant);
    const program = this.#programOf(target);
    return program === undefined ? this.#http.attempt(call, target) : this.#programs.attempt(call, target, program);
  }

  /** From now on `changed` is told when a server says that what it offers is another: by whom, and by which message. */
  tellOfChanges(changed: McpPorts['changed']): void {
    this.#changed = changed;
  }

  /** All tools that a server lists, for the gate itself. Rejects with ListingFault. */
  listTools(target: Target, signal: AbortSignal): Promise<readonly ToolDefinition[]> {
    const program = this.#programOf(target);
    if (program !== undefined) return listOfProgram(this.#parts, program, target, signal);
    return listOverHttp(this.#parts, this.#servers, target, signal);
  }

  /**
   * Listens to the targets of a route for a client, until the signal of the ear's errand is aborted. Resolves then; never
   * rejects. Of a server that no call of the client has gone to there is nothing to hear yet.
   */
  async listen(ear: Ear, targets: readonly Target[]): Promise<void> {
    await Promise.all(targets.map((target) => this.#listeners.listen(ear, target, this.#programOf(target))));
  }

  /** Ends the sessions with servers that were for one session of a client. Never rejects. */
  async endClient(record: TaskRecord, sessionId: string): Promise<void> {
    await this.#end(record, clientPart(sessionId)).catch(() => undefined);
  }

  #programOf({ route, name }: Target): ProgramServer | undefined {
    return this.#parts.programs.find(([target]) => target.route === route && target.name === name)?.[1];
  }

  #taskEnded(taskId: string): void {
    const tenant = this.#tasks.get(taskId);
    if (tenant === undefined) return;
    this.#tasks.delete(taskId);
    this.#parts
      .taskOf(tenant, taskId)
      .then((record) => (record === undefined ? undefined : this.#end(record)))
      // They end by themselves once nobody uses them.
      .catch(() => undefined);
  }

  async #end(record: TaskRecord, client?: string): Promise<void> {
    const taken = await this.#servers.sessions.taken(record.agent.tenant, record.id, client);
    const ended = taken.map(({ route, target: name, ...session }) => {
      const target = this.#parts.targetOf(route, name);
      return target === undefined ? undefined : this.#servers.end(this.errandOf(record, route), target, session);
    });
    await Promise.all(ended);
  }

  /** An errand for a task that is no call of it. `signal` ends it. */
  errandOf(record: TaskRecord, route: string, signal: AbortSignal = new AbortController().signal): Errand {
    return taskErrand(this.#parts, record, `${route}.session`, signal);
  }
}
