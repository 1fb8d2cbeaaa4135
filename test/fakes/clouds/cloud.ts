/**
 * A cloud on loopback: a token service, and a target that takes what the service gave and nothing else. It checks
 * requests as the cloud would, keeps what was wrong with each, and can be unwell in the ways that clouds are.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../src/clock.ts';
import { FakeUpstream, type Received, type Reply } from '../upstream.ts';

export interface Given {
  readonly status?: number;
  readonly type: string;
  readonly body: string;
}

/** What differs between clouds. */
export interface CloudRules {
  /** Gives a token for the request, or throws what is wrong with it. */
  issue(request: Received, cloud: FakeCloud): Promise<Given>;
  /** How the token service says no. */
  refuse(why: string): Given;
  /** Throws what is wrong with a request to the target. */
  admit(request: Received, cloud: FakeCloud): void;
}

export type Trouble = 'refuses' | 'unwell' | 'nonsense' | 'silent' | 'redirects' | 'huge';

export class FakeCloud implements AsyncDisposable {
  readonly clock: Clock;
  readonly tokens: FakeUpstream;
  readonly target: FakeUpstream;
  readonly rules: CloudRules;
  /** What was wrong with requests to either. */
  readonly faults: string[] = [];
  /** What must never be seen outside: keys, tokens. */
  readonly secrets: string[] = [];
  lifetimeSeconds = 1_000;
  trouble: Trouble | null = null;
  /** What the target says to a request that it takes. */
  serve: Reply = (_request, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end('served');
  /** Each request for a token waits for it. */
  gate: Promise<void> = Promise.resolve();
  /** Tokens whose number is not greater are no longer taken by the target. */
  revokedUpTo = 0;
  issued = 0;

  private constructor(clock: Clock, rules: CloudRules, tokens: FakeUpstream, target: FakeUpstream) {
    this.clock = clock;
    this.rules = rules;
    this.tokens = tokens;
    this.target = target;
  }

  static async open(clock: Clock, rules: CloudRules): Promise<FakeCloud> {
    const [tokens, target] = await Promise.all([FakeUpstream.open(), FakeUpstream.open()]);
    const cloud = new FakeCloud(clock, rules, tokens, target);
    tokens.reply = (_request, response) => cloud.#tokenReply(response);
    target.reply = (request, response, body) => cloud.#targetReply(request, response, body);
    return cloud;
  }

  /** How often a token was asked for. */
  get asked(): number {
    return this.tokens.received.length;
  }

  /** A token that nobody has seen before. */
  secret(prefix: string): string {
    const secret = `${prefix}${this.clock.randomBytes(24).toString('hex')}`;
    this.secrets.push(secret);
    return secret;
  }

  async #tokenReply(response: ServerResponse): Promise<void> {
    const request = this.tokens.received.at(-1);
    if (request === undefined) return;
    const send = ({ status = 200, type, body }: Given) =>
      void response.writeHead(status, { 'content-type': type }).end(body);
    await this.gate;
    switch (this.trouble) {
      case 'silent':
        return;
      case 'refuses':
        // Clouds like to quote what they were sent.
        return send(this.rules.refuse(`not trusted: ${request.body.toString()} ${request.headers.authorization}`));
      case 'unwell':
        return void response.writeHead(503).end('Service Unavailable');
      case 'nonsense':
        return send({ type: 'text/html', body: '<html><p>Sign in' });
      case 'redirects':
        return void response.writeHead(307, { location: `${this.target.url}/stolen` }).end();
      case 'huge':
        return send({ type: 'application/json', body: `{"a":"${'x'.repeat(600_000)}"}` });
      case null:
    }
    try {
      send(await this.rules.issue(request, this));
    } catch (fault) {
      this.faults.push(`token service: ${(fault as Error).message}`);
      send(this.rules.refuse('no'));
    }
  }

  #targetReply(incoming: IncomingMessage, response: ServerResponse, body: Buffer): void | Promise<void> {
    const request = this.target.received.at(-1);
    try {
      if (request !== undefined) this.rules.admit(request, this);
      return this.serve(incoming, response, body);
    } catch (fault) {
      this.faults.push(`target: ${(fault as Error).message}`);
      response.writeHead(401).end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.tokens[Symbol.asyncDispose](), this.target[Symbol.asyncDispose]()]);
  }
}

export function must(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(why);
}
