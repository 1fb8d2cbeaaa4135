/**
 * What servers of MCP offer and how that stands to what was accepted, for people; and the way to accept a change. What a
 * reader would get wrong: what is accepted is a hash, not a tool, so nothing passes that the person has not looked at.
 */
import type { JsonObject } from '../call.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import type { AdminRequests } from '../wire/admin-request.ts';
import type { About, AdminAnswers, Answered, Asked, Query } from './admin-routes.ts';
import { jsonReply } from './reply.ts';

export interface AdminToolPorts {
  /** Documents of all mcp routes, in the order of the configuration. */
  readonly routes: () => readonly (JsonObject & { readonly route: string })[];
  /** In force on every gateway of the store once they have heard of it; gives the hash that was accepted before. */
  readonly accept: (
    route: string,
    tool: string,
    hash: string,
    by: string,
  ) => Promise<{ readonly before: string } | Denial>;
  readonly requests: Pick<AdminRequests, 'accept'>;
}

/** The answers of `/tools…`. */
export function adminTools(ports: AdminToolPorts): AdminAnswers<'tools.list' | 'tools.accept'> {
  return {
    'tools.list': async ({ query }) => ({ reply: list(ports, query) }),
    'tools.accept': (asked) => accept(ports, asked),
  };
}

function list({ routes }: AdminToolPorts, { route, ...unknown }: Query) {
  const extra = Object.keys(unknown);
  if (extra.length > 0) return deny('args_invalid', `There is no filter ${extra.join(', ')}.`, { allowed: ['route'] });
  const all = routes();
  if (route !== undefined && !all.some((one) => one.route === route)) {
    return deny('route_unknown', 'There is no MCP server of this name in the configuration.', {
      allowed: all.map((one) => one.route),
    });
  }
  return jsonReply(200, { routes: all.filter((one) => route === undefined || one.route === route) });
}

async function accept({ accept: take, requests }: AdminToolPorts, { body, person }: Asked): Promise<Answered> {
  const read = requests.accept(body);
  if (isDenial(read)) return { reply: read };
  const { route, tool, hash, reason } = read;
  const accepted = await take(route, tool, hash, person.id);
  const about = (notes: Readonly<Record<string, string>>): About => ({
    route,
    notes: { tool, accepted_hash: hash, ...notes, ...(reason === null ? {} : { reason_given: reason }) },
  });
  if (isDenial(accepted)) return { reply: accepted, about: about({}) };
  const { before } = accepted;
  return { reply: jsonReply(200, { route, tool, hash, before }), about: about({ hash_before: before }) };
}
