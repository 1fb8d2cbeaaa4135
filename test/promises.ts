/**
 * The ledger of what Tollgate promises. A test that keeps a promise names its id in brackets in its title; the house
 * test is red while a promise is cited by no test, or a test cites an id that is not here. `source` says where the
 * promise comes from: a section of docs/architecture.md, a requirement of OWASP AISVS 1.0 (June 2026), an RFC, or the
 * complaint about other gateways that it answers.
 */
import { auditPromises } from './promises/audit.ts';
import { budgetPromises } from './promises/budget.ts';
import { cachePromises } from './promises/cache.ts';
import { cataloguePromises } from './promises/catalogue.ts';
import { gatePromises } from './promises/gate.ts';
import { idempotencyPromises } from './promises/idempotency.ts';
import { identityPromises } from './promises/identity.ts';
import { inspectionPromises } from './promises/inspection.ts';
import { policyPromises } from './promises/policy.ts';
import { routePromises } from './promises/route.ts';
import { sessionPromises } from './promises/session.ts';
import { taskPromises } from './promises/task.ts';
import { upstreamPromises } from './promises/upstream.ts';

export type { PromiseEntry } from './promises/promise.ts';

export const promises = {
  ...identityPromises,
  ...taskPromises,
  ...policyPromises,
  ...budgetPromises,
  ...inspectionPromises,
  ...routePromises,
  ...upstreamPromises,
  ...sessionPromises,
  ...auditPromises,
  ...cachePromises,
  ...cataloguePromises,
  ...idempotencyPromises,
  ...gatePromises,
};

export type PromiseId = keyof typeof promises;
