/**
 * Whether what the sections ask of the keys of tokens can be met together: a `binding` that no client can ever meet is
 * a route that is closed without anybody having closed it.
 */
import type { BindingRequired } from '../call.ts';
import { child } from '../wire/pointer.ts';
import type { Config } from './schema.ts';

interface Asked {
  readonly pointer: string;
  readonly binding: BindingRequired;
}

/** Faults by JSON pointers from the root: mTLS without client certificates, and an operation that contradicts its route. */
export function checkBindings(config: Config): { readonly pointer: string; readonly message: string }[] {
  const { gateway, issuers, routes, task } = config;
  const ofRoutes = routes.flatMap((route, index) => {
    const pointer = `/routes/${index}`;
    const own: Asked = { pointer: `${pointer}/binding`, binding: route.binding ?? 'none' };
    const operations = route.kind !== 'model' ? Object.entries(route.operations) : [];
    const ofOperations = operations.map(([name, { binding }]): Asked & { readonly above: BindingRequired } => ({
      pointer: `${child(`${pointer}/operations`, name)}/binding`,
      binding: binding ?? 'none',
      above: own.binding,
    }));
    return [own, ...ofOperations];
  });
  const all: readonly (Asked & { readonly above?: BindingRequired })[] = [
    ...issuers.map((issuer, index) => ({ pointer: `/issuers/${index}/binding`, binding: issuer.binding ?? 'none' })),
    ...ofRoutes,
    ...(['read', 'write', 'delete'] as const).map((effect) => ({
      pointer: `/task/binding/${effect}`,
      binding: task.binding[effect] ?? 'none',
    })),
  ];
  const certificates = (gateway.tls?.client ?? 'none') !== 'none';
  return all.flatMap(({ pointer, binding, above }) => {
    if (binding === 'mtls' && !certificates) {
      return [{ pointer, message: 'cannot be met: clients show certificates only with gateway.tls.client' }];
    }
    const contradicts = isOneKind(binding) && isOneKind(above) && binding !== above;
    return contradicts ? [{ pointer, message: `cannot be met: the route asks for ${above}, and both count` }] : [];
  });
}

function isOneKind(binding: BindingRequired | undefined): boolean {
  return binding === 'mtls' || binding === 'dpop';
}
