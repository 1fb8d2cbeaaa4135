/**
 * The provider's beta features by class, as data: `anthropic-beta` names them, and each changes what fields mean. A
 * feature that only lets a field be used is as inert as this: the field has a class of its own. Those that reach further,
 * and those not known here, stand in `call.tools[].kind` as `beta:<name>`.
 */
import type { Field } from '../../field-class.ts';

const inert: Field = { class: 'inert' };
const cost: Field = { class: 'cost' };
const state: Field = { class: 'provider-state' };

/** By name; `fields.ts` says when it was last compared. */
export const betaFields: Readonly<Record<string, Field>> = {
  'advisor-tool-2026-03-01': inert,
  'cache-diagnosis-2026-04-07': inert,
  'code-execution-2025-05-22': inert,
  'compact-2026-01-12': cost,
  'compact-2026-09-04': cost,
  'computer-use-2024-10-22': inert,
  'computer-use-2025-01-24': inert,
  'computer-use-2025-11-24': inert,
  'context-1m-2025-08-07': cost,
  'context-management-2025-06-27': inert,
  'dev-full-thinking-2025-05-14': inert,
  'extended-cache-ttl-2025-04-11': cost,
  'fallback-credit-2026-06-01': inert,
  'fallback-credit-2026-07-01': inert,
  'fast-mode-2026-02-01': cost,
  'files-api-2025-04-14': inert,
  'inline-tools-2026-09-15': inert,
  'interleaved-thinking-2025-05-14': cost,
  'mcp-client-2025-04-04': inert,
  'mcp-client-2025-11-20': inert,
  'mcp-client-2026-09-15': inert,
  'message-threads-2026-08-12': inert,
  'mid-conversation-output-config-2026-07-01': inert,
  'mid-conversation-system-clear-at-2026-08-21': inert,
  'mid-conversation-tool-changes-2026-07-01': inert,
  'model-context-window-exceeded-2025-08-26': inert,
  'output-128k-2025-02-19': cost,
  'output-300k-2026-03-24': cost,
  'pdfs-2024-09-25': inert,
  'prompt-caching-2024-07-31': cost,
  'server-side-fallback-2026-06-01': inert,
  'server-side-fallback-2026-07-01': inert,
  'skills-2025-10-02': inert,
  'structured-outputs-2025-11-13': inert,
  'structured-outputs-2025-12-15': inert,
  'task-budgets-2026-03-13': cost,
  'thinking-binding-controls-2026-08-01': inert,
  'thinking-display-updates-2026-08-18': inert,
  'thinking-token-count-2026-05-13': inert,
  'token-counting-2024-11-01': inert,
  'token-efficient-tools-2025-02-19': inert,
  // Features of other parts of the provider's API: nothing of a message needs them.
  'admin-user-sign-out-2026-10-08': state,
  'agent-memory-2026-07-22': state,
  'analytics-usage-cost-2026-08-24': state,
  'ce-claude-code-managed-settings-2026-10-06': state,
  'ce-plugins-2026-09-01': state,
  'ce-user-management-2026-07-13': state,
  'dreaming-2026-04-21': state,
  'experimental-claude-tag-2026-10-21': state,
  'managed-agents-2026-04-01': state,
  'mcp-tunnels-2026-06-22': state,
  'message-batches-2024-09-24': state,
  'spend-limit-reads-2026-09-26': state,
  'telemetry-destinations-2026-08-11': state,
  'user-profiles-2026-03-24': state,
  'user-profiles-2026-08-18': state,
  'user-profiles-2026-09-04': state,
  'user-profiles-billing-2026-10-01': state,
  'webhooks-2026-10-07': state,
};
