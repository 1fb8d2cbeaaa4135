/** A gate at which people sign in by OIDC, with issuers of people and of customers beside that of the agents. */
import type { AuditEvent } from '../../src/audit/event.ts';
import type { Role } from '../../src/principal.ts';
import { FakeIssuer } from '../fakes/issuer.ts';
import { World } from './world.ts';

export const adminAudience = 'api://tollgate-admin';
export const subjectAudience = 'api://customers';
/** What the claim of roles holds for each role; `approver` has two names. */
export const roleValues: Readonly<Record<Role, string>> = {
  auditor: 'audit-team',
  policy_author: 'policy-team',
  operator: 'ops-team',
  approver: 'managers',
};

export class AdminWorld implements AsyncDisposable {
  readonly world: World;
  readonly people: FakeIssuer;

  readonly customers: FakeIssuer;

  private constructor(parts: Pick<AdminWorld, 'world' | 'people' | 'customers'>) {
    this.world = parts.world;
    this.people = parts.people;
    this.customers = parts.customers;
  }

  static async open(config: Record<string, Record<string, unknown>> = {}): Promise<AdminWorld> {
    const [people, customers] = await Promise.all([FakeIssuer.open(), FakeIssuer.open()]);
    const roles = Object.fromEntries(Object.entries(roleValues).map(([role, value]) => [role, [value]]));
    const world = await World.open({
      config: {
        audit: { refusals_per_second: 10_000 },
        admin: {
          ...{ issuer: people.url, audience: adminAudience, algorithms: ['ES256'] },
          ...{ role_claim: 'claims.groups', roles },
        },
        subject_issuers: [
          {
            ...{ name: 'customers', issuer: customers.url, audiences: [subjectAudience], algorithms: ['ES256'] },
            type: 'customer',
          },
        ],
        ...config,
      },
    });
    return new AdminWorld({ world, people, customers });
  }

  /** The token of a person with these roles. */
  token(roles: readonly Role[], claims: Record<string, unknown> = {}): string {
    const groups = roles.map((role) => roleValues[role]);
    return this.people.token(`${roles.join('-') || 'nobody'}@example.com`, { aud: adminAudience, groups, ...claims });
  }

  /** Asks the admin plane as a person with these roles; `body` goes as JSON. */
  ask(roles: readonly Role[], method: string, path: string, body?: object): Promise<Response> {
    return this.show(this.token(roles), method, path, body);
  }

  /** Asks the admin plane with this token. */
  show(token: string, method: string, path: string, body?: object): Promise<Response> {
    return fetch(`${this.world.gate.adminUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** All audit events that fit the query, oldest first. */
  async events(query: Record<string, string> = {}): Promise<AuditEvent[]> {
    const response = await this.ask(
      ['auditor'],
      'GET',
      `/audit/events?${new URLSearchParams({ limit: '1000', ...query })}`,
    );
    return ((await response.json()) as { events: AuditEvent[] }).events;
  }

  /** What people did by `operation`, in the order they did it. */
  async deeds(operation: string): Promise<AuditEvent[]> {
    return (await this.events({ type: 'admin' })).filter((event) => event.operation === operation);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await Promise.all([this.people[Symbol.asyncDispose](), this.customers[Symbol.asyncDispose]()]);
  }
}
