/** A request that goes to one target of its route and no other: the one that asked what its client has answered. */
import type { Payload, Target, WireRequest } from '../../call.ts';
import { deny, isDenial } from '../../denial.ts';

/** `request` for `target` alone. Denies `upstream_unavailable` for every other. */
export function pinned(request: WireRequest, target: string): WireRequest {
  return {
    ...request,
    resolve: (registry) => {
      const resolved = request.resolve(registry);
      return isDenial(resolved) ? resolved : { ...resolved, payload: pinnedPayload(resolved.payload, target) };
    },
  };
}

function pinnedPayload(payload: Payload, name: string): Payload {
  const unfit = (target: Target) =>
    target.name === name
      ? payload.unfit?.(target)
      : deny('upstream_unavailable', `The answer is for target ${name}, which cannot be called now.`);
  return new Proxy(payload, {
    get: (whole, member) => {
      if (member === 'unfit') return unfit;
      const value: unknown = Reflect.get(whole, member, whole);
      return typeof value === 'function' ? value.bind(whole) : value;
    },
  });
}
