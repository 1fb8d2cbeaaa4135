/**
 * Limits by time as headers: `RateLimit` and `RateLimit-Policy` on every surface (draft-ietf-httpapi-ratelimit-headers,
 * structured fields of RFC 9651), and on the surfaces of models what their SDKs and their users know. There one limit
 * stands for each unit, the one that has the least left; a provider's own such headers never pass the gate.
 */
import type { RateState, RateUnit } from '../rate.ts';

const units = ['requests', 'tokens'] as const satisfies readonly RateUnit[];
/** More than there are of one call would make headers nobody reads. */
const policiesMax = 16;

/** The headers of an answer on `surface`, for the limits that the call was under; none where it was under none. */
export function rateHeaders(surface: string, states: readonly RateState[]): Record<string, string> {
  if (states.length === 0) return {};
  const shown = states.slice(0, policiesMax);
  return {
    ratelimit: shown.map(limitItem).join(', '),
    'ratelimit-policy': shown.map(policyItem).join(', '),
    ...Object.assign({}, ...units.map((unit) => surfaceHeaders(surface, unit, tightest(states, unit)))),
  };
}

/** `"agent_requests";r=59;t=1`: what is left, and how many seconds until all of it is there again. */
function limitItem({ name, remaining, fullMs }: RateState): string {
  return `"${name}";r=${remaining};t=${Math.ceil(fullMs / 1000)}`;
}

/** `"agent_requests";q=60;w=60;qu="requests";pk=:YWdlbnQ9YQ==:`: the quota of a window in seconds, and whose it is. */
function policyItem({ name, quota, perMs, unit, partition }: RateState): string {
  const key = Buffer.from(partition).toString('base64');
  return `"${name}";q=${quota};w=${Math.ceil(perMs / 1000)};qu="${unit}";pk=:${key}:`;
}

function tightest(states: readonly RateState[], unit: RateUnit): RateState | undefined {
  return states
    .filter((state) => state.unit === unit)
    .toSorted((left, right) => left.remaining / left.quota - right.remaining / right.quota)[0];
}

function surfaceHeaders(surface: string, unit: RateUnit, state: RateState | undefined): Record<string, string> {
  if (state === undefined) return {};
  const { quota, remaining, fullMs, atMs } = state;
  if (surface === 'openai') {
    return {
      [`x-ratelimit-limit-${unit}`]: String(quota),
      [`x-ratelimit-remaining-${unit}`]: String(remaining),
      [`x-ratelimit-reset-${unit}`]: durationText(fullMs),
    };
  }
  if (surface !== 'anthropic') return {};
  return {
    [`anthropic-ratelimit-${unit}-limit`]: String(quota),
    [`anthropic-ratelimit-${unit}-remaining`]: String(remaining),
    [`anthropic-ratelimit-${unit}-reset`]: `${new Date(atMs + fullMs).toISOString().slice(0, 19)}Z`,
  };
}

/** As OpenAI writes it: `120ms`, `7.5s`, `6m0s`. */
function durationText(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 100) / 10;
  if (seconds < 60) return `${seconds}s`;
  return `${Math.floor(Math.ceil(seconds) / 60)}m${Math.ceil(seconds) % 60}s`;
}
