/** An agent of a world of gateway tests that gets tokens, hands them on, revokes them and asks about them. */
import assert from 'node:assert/strict';
import type { OpenedTask, World } from './world.ts';

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly text: string;
  readonly headers: Headers;
}

/** A success that did nothing, or says nothing of what it did (RFC 7009 §2.2). */
export function silent(answer: Answer, why: string): void {
  assert.deepEqual([answer.status, answer.text, answer.headers.get('cache-control')], [200, '', 'no-store'], why);
}

export class TokenLife {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** A request to `/oauth/{path}`, `authorization` as its bearer. */
  async ask(
    path: string,
    form: Record<string, string> | URLSearchParams,
    authorization?: string,
    more: Record<string, string> = {},
  ): Promise<Answer> {
    const headers = { ...(authorization === undefined ? {} : { authorization: `Bearer ${authorization}` }), ...more };
    const body = new URLSearchParams(form);
    const response = await fetch(`${this.#world.gate.url}/oauth/${path}`, { method: 'POST', headers, body });
    const text = await response.text();
    const parsed = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, text, body: parsed, headers: response.headers };
  }

  revoke(token: string, authorization?: string): Promise<Answer> {
    return this.ask('revoke', { token }, authorization);
  }

  introspect(token: string, authorization?: string): Promise<Answer> {
    return this.ask('introspect', { token }, authorization);
  }

  workload(agent = 'coordinator', claims: Record<string, unknown> = {}): string {
    return this.#world.issuer.token(agent, claims);
  }

  /** Makes a call; its status, code and first reason. */
  async order(token: string): Promise<string> {
    const response = await this.#world.fetch('/tools/orders/orders/O-1', token);
    const { code, reasons } = (await response.json()) as { code?: string; reasons?: { code: string }[] };
    return `${response.status} ${code ?? 'ok'} ${reasons?.[0]?.code ?? ''}`.trim();
  }

  /** The state of a task, as its agent sees it by its workload token. */
  async stateOf(task: { readonly id: string }, agent = 'coordinator'): Promise<string> {
    const response = await this.#world.fetch(`/tasks/${task.id}`, this.workload(agent));
    return ((await response.json()) as { state: string }).state;
  }

  /** Another token of a task: `{tools}` narrows it, `{for}` makes it one to be handed on. */
  async another(task: OpenedTask, body: object): Promise<string> {
    const asked = { method: 'POST', body: JSON.stringify(body) };
    const response = await this.#world.fetch(`/tasks/${task.id}/token`, this.workload(), asked);
    assert.equal(response.status, 200);
    const { task_token: own, delegation_token: handed } = (await response.json()) as Record<string, string>;
    return String(own ?? handed);
  }

  /** A part of the task of the token `subject`, for `agent`. */
  async exchange(subject: string, agent: string) {
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      ...{ subject_token: subject, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
      ...{ actor_token: this.workload(agent), actor_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
      authorization_details: JSON.stringify([{ type: 'tollgate_task', purpose: 'test' }]),
    };
    const { status, body } = await this.ask('token', form);
    return { status, token: String(body.access_token), id: String(body.task_id), error: body.error };
  }
}
