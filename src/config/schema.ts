/**
 * tollgate.yaml as a whole: every section is declared by the room it belongs to, and put together here. A key that
 * no room declares is a fault, so nothing in the file is silently without effect.
 */
import Type from 'typebox';
import { auditSection } from '../audit/section.ts';
import { breakerSection } from '../breaker/section.ts';
import { budgetSection } from '../budget/section.ts';
import { cacheSection } from '../cache/section.ts';
import { idempotencySection } from '../idempotency/section.ts';
import { keysSection } from '../identity/keepers/section.ts';
import { adminSection, issuersSection, subjectIssuersSection } from '../identity/section.ts';
import { inspectionSection } from '../inspection/section.ts';
import { policySection } from '../policy/section.ts';
import { routesSection } from '../route/section.ts';
import { gatewaySection, limitsSection } from '../server/section.ts';
import { storeSection } from '../store/section.ts';
import { taskSection } from '../task/section.ts';
import { telemetrySection } from '../telemetry/section.ts';
import { retrySection } from '../upstream/retry/section.ts';
import { credentialsSection } from '../upstream/section.ts';

export const configSchema = Type.Object(
  {
    gateway: gatewaySection,
    issuers: issuersSection,
    subject_issuers: subjectIssuersSection,
    admin: Type.Optional(adminSection),
    keys: keysSection,
    limits: limitsSection,
    task: taskSection,
    policy: policySection,
    budget: budgetSection,
    inspection: inspectionSection,
    breaker: breakerSection,
    retry: retrySection,
    cache: cacheSection,
    idempotency: idempotencySection,
    routes: routesSection,
    credentials: credentialsSection,
    store: storeSection,
    audit: auditSection,
    telemetry: telemetrySection,
  },
  { additionalProperties: false, title: 'tollgate.yaml' },
);

/** A checked configuration: defaults filled in, substitutions made, paths absolute. */
export type Config = Type.Static<typeof configSchema>;
