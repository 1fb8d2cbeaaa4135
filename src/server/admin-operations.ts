/** The operations of the routing table, as people of the admin plane see them. */
import type { Operation } from '../call.ts';
import { deny } from '../denial.ts';
import type { AdminAnswers } from './admin-routes.ts';
import { jsonReply } from './reply.ts';

export interface AdminOperationPorts {
  /** Of the configuration in force, in a stable order. */
  readonly all: () => readonly Operation[];
  readonly routes: () => readonly string[];
}

/** The answer of `/operations`; `?route=` for those of one route. */
export function adminOperations({ all, routes }: AdminOperationPorts): AdminAnswers<'operation.list'> {
  return {
    'operation.list': async ({ query: { route, ...rest } }) => {
      const [extra] = Object.keys(rest);
      if (extra !== undefined) {
        return { reply: deny('args_invalid', `There is no filter ${extra}.`, { allowed: ['route'] }) };
      }
      if (route !== undefined && !routes().includes(route)) {
        return { reply: deny('route_unknown', 'There is no route of that name.', { allowed: routes() }) };
      }
      const shown = all().filter((operation) => route === undefined || operation.route === route);
      return { reply: jsonReply(200, { operations: shown.map(documentOf) }) };
    },
  };
}

function documentOf({ name, route, kind, effect, reads, sends, drift, summary }: Operation) {
  return { operation: name, route, kind, effect, reads, sends, state: drift ?? 'ready', summary };
}
