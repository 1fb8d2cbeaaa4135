/**
 * The legal-risk agent "on-prem": an ordinary program with a door of its own. Who asks it hands over a delegation token;
 * that and its own workload token together get it a part of the asker's task at the gate, and with the token of its part
 * it makes its calls. It holds no key of the services it asks.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Answered,
  callThroughGate,
  exchangeToken,
  type GateRequest,
  type Workload,
  workloadToken,
} from './agent.ts';
import { type Listening, listen, readBody } from './world/listen.ts';

/** What it asks the gate for: its own purpose, and no more of it than it needs. */
export const riskPart = { purpose: 'risk_assessment', tools: ['orders.get_customer', 'risk.assess_return'] } as const;

export interface RiskAgentOptions {
  readonly workload: () => Workload;
  /** Told of every token it shows to the gate. */
  readonly shown: (token: string) => void;
}

interface Opinion {
  readonly task_id: string;
  readonly risk: string;
  readonly notes: readonly string[];
}

/** Somebody it asked did not give what it needs. */
class Unanswered extends Error {
  readonly status: number;

  constructor(who: string, { status, body }: Answered) {
    super(`${who} answered ${status}: ${body?.code ?? body?.error ?? ''}`);
    this.status = status;
  }
}

export class RiskAgent {
  readonly #options: RiskAgentOptions;
  #gateUrl: string | undefined;
  #listening: Listening | undefined;

  constructor(options: RiskAgentOptions) {
    this.#options = options;
  }

  get url(): string {
    if (this.#listening === undefined) throw new Error('the legal-risk agent is not open');
    return this.#listening.url;
  }

  async open(preferredPort: number): Promise<void> {
    this.#listening = await listen((request, response) => void this.#serve(request, response), preferredPort);
  }

  /** Where its calls go from now on. */
  use(gateUrl: string): void {
    this.#gateUrl = gateUrl;
  }

  async close(): Promise<void> {
    await this.#listening?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let status = 200;
    let document: object;
    try {
      const body = await readBody(request);
      const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
      if (request.method !== 'POST' || request.url !== '/questions' || scheme !== 'Bearer') {
        [status, document] = [404, { error: 'POST /questions, with a delegation token' }];
      } else document = await this.#opinion(token, JSON.parse(body.toString('utf8')));
    } catch (error) {
      status = error instanceof Unanswered ? error.status : 500;
      document = { error: String(error) };
    }
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document));
  }

  async #opinion(askerToken: string, question: Readonly<Record<string, unknown>>): Promise<Opinion> {
    const gateUrl = this.#gateUrl;
    if (gateUrl === undefined) throw new Error('the legal-risk agent knows no gate yet');
    const own = await workloadToken(this.#options.workload());
    this.#options.shown(own);
    const part = await exchangeToken(gateUrl, { taskToken: askerToken, workloadToken: own, part: riskPart });
    if (part.status !== 200) throw new Unanswered('the gate', part);
    const { access_token: token, task_id: taskId } = part.body;
    this.#options.shown(token);

    const call = async (request: GateRequest) => {
      const answer = await callThroughGate(gateUrl, token, request);
      if (answer.status !== 200) throw new Unanswered(request.path, answer);
      return answer.body;
    };
    // On whose behalf the part is, the gate says; what the asker says of it does not count.
    const { subject } = await call({ method: 'GET', path: `/tasks/${taskId}` });
    const customerId = subject.id as string;
    const path = `/tools/orders/customers/${encodeURIComponent(customerId)}`;
    const customer = await call({ method: 'GET', path });
    const { order_id, amount_cents, days_late } = question;
    const { lifetime_value_cents } = customer;
    const { risk, notes } = await call({
      method: 'POST',
      path: '/tools/risk/assessments',
      body: { customer_id: customerId, order_id, amount_cents, lifetime_value_cents, days_late },
    });
    await call({ method: 'POST', path: `/tasks/${taskId}/complete` });
    return { task_id: taskId, risk, notes };
  }
}
