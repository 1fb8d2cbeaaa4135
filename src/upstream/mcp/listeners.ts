/**
 * What servers tell outside of calls, for clients that hold a stream open to hear it: resources that were changed, lists
 * that are others now. An older server is listened to in the session that a call has begun (GET), a modern one by
 * `subscriptions/listen`. What a reader would get wrong: listening begins no session, since nobody has decided on one.
 */
import type { Conversation, JsonObject, McpNotice, Target, UpstreamAnswer } from '../../call.ts';
import type { Subscription } from '../../store/store.ts';
import { standardHeaders } from '../../wire/mcp/headers.ts';
import { type RpcMessage, requestText } from '../../wire/mcp/message.ts';
import { modernVersion } from '../../wire/mcp/versions.ts';
import type { Errand } from '../send.ts';
import { Heard, messagesOf } from './incoming.ts';
import { handOn } from './notices.ts';
import { type McpPorts, modernMeta } from './ports.ts';
import type { ProgramServer } from './program.ts';
import { Questions, Replies } from './questions.ts';
import type { ReadyServers } from './ready.ts';
import { begunChannel, seatOf } from './sessions.ts';
import { type Subscriptions, subscribedChannel } from './subscriptions.ts';
import { pathOf, post, sessionHeaders, tell } from './talk.ts';

/** Streams to one target at once, of all clients of this gateway: they must not take all its connections. */
const streamsMax = 32;
/** How long to wait before looking or asking again, at least and at most, in milliseconds. */
const againMs = { least: 1_000, most: 60_000 } as const;
/** A stream that lasted so long was a good one, in milliseconds. */
const wellMs = 10_000;

/** Who listens. */
export interface Ear {
  readonly errand: Errand;
  readonly conversation: Omit<Conversation, 'tell' | 'ask'>;
  /** Told of what the server says; what the client knows resources by is for whoever tells it. */
  readonly heard: (notice: McpNotice, target: Target) => Promise<void>;
}

export class Listeners implements AsyncDisposable {
  readonly #ports: McpPorts;
  readonly #servers: ReadyServers;
  readonly #subscriptions: Subscriptions;
  readonly #streams = new Map<string, number>();
  readonly #woken = new Map<string, Set<() => void>>();
  #subscribed: readonly Subscription[] = [];

  constructor(ports: McpPorts, servers: ReadyServers, subscriptions: Subscriptions) {
    this.#ports = ports;
    this.#servers = servers;
    this.#subscriptions = subscriptions;
  }

  async open(): Promise<void> {
    const wake = (message: unknown) => {
      if (typeof message === 'string') for (const woken of this.#woken.get(message) ?? []) woken();
    };
    const { store } = this.#ports;
    this.#subscribed = [await store.subscribe(begunChannel, wake), await store.subscribe(subscribedChannel, wake)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#subscribed.map((one) => one.close()));
    this.#subscribed = [];
  }

  /** Listens to one target until the signal of the ear's errand is aborted. Never rejects. */
  async listen(ear: Ear, target: Target, program: ProgramServer | undefined): Promise<void> {
    const { signal } = ear.errand.abort;
    if (program !== undefined) return this.#toProgram(ear, target, program);
    const at = `${target.route}/${target.name}`;
    const streams = this.#streams.get(at) ?? 0;
    if (streams >= streamsMax) {
      this.#ports.log('warn', 'too many clients listen to one server', { route: target.route, target: target.name });
      return;
    }
    this.#streams.set(at, streams + 1);
    try {
      let waitMs: number = againMs.least;
      while (!signal.aborted) {
        const { clock } = this.#ports;
        const startMs = clock.monotonicMs();
        const wake = await this.#once(ear, target).catch(() => undefined);
        const lastedMs = clock.monotonicMs() - startMs;
        waitMs = lastedMs >= wellMs ? againMs.least : Math.min(againMs.most, waitMs * 2);
        await this.#until(signal, wake === 'news' ? againMs.most : waitMs, this.#keysOf(ear, target));
        if (wake === 'news') waitMs = againMs.least;
      }
    } finally {
      this.#streams.set(at, (this.#streams.get(at) ?? 1) - 1);
    }
  }

  /** One stream to its end; `news`: there is nothing to listen to before something changes. */
  async #once(ear: Ear, target: Target): Promise<'news' | undefined> {
    const { errand, conversation } = ear;
    if (this.#servers.eras.known(target) === 'modern') return this.#modern(ear, target);
    const session = await this.#servers.sessions.find(seatOf(errand, target, conversation));
    if (session?.sessionId === undefined) return 'news';
    const spoken: Target = { ...target, mcp: session };
    const headers = { accept: 'text/event-stream', ...sessionHeaders(session) };
    const request = { method: 'GET', path: pathOf(target), headers, body: null };
    const sent = await this.#ports.send(errand, spoken, request);
    if ('failed' in sent) return undefined;
    if (sent.answer.head.status !== 200) {
      for await (const _chunk of sent.answer.body) break;
      // It has no such stream (405), or no such session any more (404).
      return sent.answer.head.status < 500 ? 'news' : undefined;
    }
    await this.#hear(ear, spoken, sent.answer);
    return undefined;
  }

  async #modern(ear: Ear, target: Target): Promise<'news' | undefined> {
    const { errand, conversation } = ear;
    const key = this.#subscriptions.keyOf(errand, target.route, conversation);
    const resourceSubscriptions = await this.#subscriptions.of(key);
    const method = 'subscriptions/listen';
    const params: JsonObject = {
      _meta: modernMeta(this.#ports),
      notifications: {
        ...{ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true },
        ...(resourceSubscriptions.length === 0 ? {} : { resourceSubscriptions }),
      },
    };
    const spoken: Target = { ...target, mcp: { version: modernVersion } };
    const id = `listen.${this.#ports.clock.randomBytes(6).toString('base64url')}`;
    // Another list of resources needs another stream.
    const abort = new AbortController();
    const end = () => abort.abort();
    errand.abort.signal.addEventListener('abort', end, { once: true });
    const unwatch = this.#onWake([key], end);
    try {
      const own: Errand = { ...errand, abort };
      const headers = standardHeaders(modernVersion, method, params);
      const sent = await post(this.#ports, own, spoken, requestText(id, method, params), headers);
      if ('failed' in sent) return undefined;
      if (sent.answer.head.status !== 200) {
        for await (const _chunk of sent.answer.body) break;
        return sent.answer.head.status < 500 ? 'news' : undefined;
      }
      await this.#hear(ear, spoken, sent.answer);
      return undefined;
    } finally {
      unwatch();
      errand.abort.signal.removeEventListener('abort', end);
    }
  }

  async #hear(ear: Ear, target: Target, answer: UpstreamAnswer): Promise<void> {
    const replies = new Replies();
    for await (const message of messagesOf(answer, new Heard(true))) await this.#take(ear, target, message, replies);
  }

  async #take({ errand, heard }: Ear, target: Target, message: RpcMessage, replies: Replies): Promise<void> {
    if (message.kind === 'notification') await handOn(this.#ports, target, message, heard);
    // Nobody's call is under way that this could be about.
    else if (message.kind === 'request') {
      const text = await new Questions(undefined, target).answer(message);
      replies.take(async () => void (await tell(this.#ports, errand, target, text, sessionHeaders(target.mcp))));
    }
  }

  async #toProgram({ errand, conversation, heard }: Ear, target: Target, program: ProgramServer): Promise<void> {
    const { signal } = errand.abort;
    const key = this.#subscriptions.keyOf(errand, target.route, conversation);
    const unlisten = program.listen((notice) => {
      const told = async () => {
        if (notice.method === 'notifications/resources/updated') {
          const uris = await this.#subscriptions.of(key);
          if (!uris.includes(String(notice.params.uri))) return;
        }
        await heard(notice, target);
      };
      // What cannot be looked up is told to nobody.
      told().catch(() => undefined);
    });
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    unlisten();
  }

  #keysOf({ errand, conversation }: Ear, target: Target): readonly string[] {
    const subscribed = this.#subscriptions.keyOf(errand, target.route, conversation);
    return [seatOf(errand, target, conversation).key, subscribed];
  }

  /** Until the time is over, one of the keys is news, or nobody listens any more. */
  async #until(signal: AbortSignal, waitMs: number, keys: readonly string[]): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#ports.clock.after(waitMs, resolve);
    const unwatch = this.#onWake(keys, resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    timer.cancel();
    unwatch();
  }

  #onWake(keys: readonly string[], woken: () => void): () => void {
    for (const key of keys) this.#woken.set(key, (this.#woken.get(key) ?? new Set()).add(woken));
    return () => {
      for (const key of keys) {
        const others = this.#woken.get(key);
        others?.delete(woken);
        if (others?.size === 0) this.#woken.delete(key);
      }
    };
  }
}
