/**
 * A service of the trust domain: an HTTP API that only the gate may call. It asks for two things on every request: the
 * service key, which the gate adds as its credential, and a `Txn-Token` for exactly this call. The agents' own tokens
 * open nothing here, and should never arrive.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isRefusal, type Transaction, type TxnTokenVerifier } from '../../../src/identity/verify.ts';
import { type Listening, listen, readBody } from './listen.ts';
import { type Received, Recorder } from './record.ts';

export interface ServiceCall {
  readonly params: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
  /** On whose behalf, for what, by whom: what the verified Txn-Token says. */
  readonly txn: Transaction;
}

export interface ServiceAnswer {
  readonly status: number;
  readonly body: object;
}

export interface ServiceOperation {
  /** As the gate names it: `{route}.{operationId}`. */
  readonly operation: string;
  readonly method: string;
  /** An OpenAPI path template, `/customers/{customer_id}`. */
  readonly path: string;
  readonly answer: (call: ServiceCall) => ServiceAnswer;
}

interface Found {
  readonly operation: ServiceOperation;
  readonly params: Record<string, string>;
}

/** A refusal by the service itself; `error` is what its callers act on. */
export class ServiceRefusal extends Error {
  readonly status: number;
  readonly error: string;

  constructor(status: number, error: string, message: string) {
    super(message);
    this.status = status;
    this.error = error;
  }
}

export class Service {
  readonly recorder = new Recorder();
  readonly name: string;
  readonly key: string;
  #listening: Listening | undefined;
  #txnTokens: TxnTokenVerifier | undefined;
  readonly #operations: readonly ServiceOperation[];

  constructor(name: string, key: string, operations: readonly ServiceOperation[]) {
    this.name = name;
    this.key = key;
    this.#operations = operations;
  }

  get url(): string {
    if (this.#listening === undefined) throw new Error(`${this.name} is not open`);
    return this.#listening.url;
  }

  get received(): readonly Received[] {
    return this.recorder.all;
  }

  async open(preferredPort: number): Promise<void> {
    this.#listening = await listen((request, response) => void this.#serve(request, response), preferredPort);
  }

  /** Whose Txn-Tokens it takes from now on; before that it refuses every call. */
  trust(txnTokens: TxnTokenVerifier): void {
    this.#txnTokens = txnTokens;
  }

  async close(): Promise<void> {
    await this.#listening?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: ServiceAnswer;
    try {
      const body = await readBody(request);
      answer = await this.#answer(this.recorder.add(request, body), body);
    } catch (error) {
      if (error instanceof ServiceRefusal) {
        answer = { status: error.status, body: { error: error.error, message: error.message } };
      } else {
        answer = { status: 500, body: { error: 'fault', message: String(error) } };
      }
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  }

  async #answer(received: Received, body: Buffer): Promise<ServiceAnswer> {
    if (!sameKey(received.headers['x-service-key'], this.key)) {
      throw new ServiceRefusal(401, 'service_key', 'only the gate calls this service');
    }
    const found = this.#find(received);
    if (found === undefined) throw new ServiceRefusal(404, 'no_such_operation', 'there is no such operation');
    if (this.#txnTokens === undefined) throw new ServiceRefusal(503, 'not_ready', 'no gate is trusted yet');
    const shown = received.headers['txn-token'];
    const txn = await this.#txnTokens.verify(typeof shown === 'string' ? shown : null, {
      method: received.method,
      pathWithQuery: received.path,
      body,
      operation: found.operation.operation,
    });
    if (isRefusal(txn)) throw new ServiceRefusal(403, 'txn_token', `the Txn-Token is refused: ${txn.reason}`);
    return found.operation.answer({ params: found.params, body: jsonObject(body), txn });
  }

  #find(received: Received): Found | undefined {
    const path = received.path.split('?', 1)[0] as string;
    for (const operation of this.#operations) {
      if (operation.method !== received.method) continue;
      const params = matchPath(operation.path, path);
      if (params !== undefined) return { operation, params };
    }
    return undefined;
  }
}

function sameKey(shown: string | string[] | undefined, key: string): boolean {
  if (typeof shown !== 'string' || shown.length !== key.length) return false;
  return timingSafeEqual(Buffer.from(shown), Buffer.from(key));
}

function matchPath(template: string, path: string): Record<string, string> | undefined {
  const wanted = template.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] as string;
    if (part.startsWith('{')) params[part.slice(1, -1)] = decodeURIComponent(value);
    else if (part !== value) return undefined;
  }
  return params;
}

function jsonObject(body: Buffer): Record<string, unknown> {
  if (body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below: what is not JSON is refused like JSON that is no object.
  }
  throw new ServiceRefusal(400, 'body', 'the body is not a JSON object');
}
