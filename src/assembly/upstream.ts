/**
 * The way to targets over the parts: sending with credentials and Txn-Tokens, and the servers and programs behind mcp
 * routes. A program goes on as long as its target stays as it is; what is known of servers goes with the connections.
 */
import { resolve } from 'node:path';
import type { JsonObject, Target } from '../call.ts';
import { sentDigest, type TxnTokenRequest } from '../identity/txn-token.ts';
import type { RouteTable } from '../route/table.ts';
import { endedChannel } from '../task/tasks.ts';
import type { Dialer } from '../upstream/dialer.ts';
import { ProgramServer } from '../upstream/mcp/program.ts';
import { McpServers } from '../upstream/mcp/servers.ts';
import { type Errand, Upstream } from '../upstream/send.ts';
import { type CredentialsOrigin, credentialsOriginOf, type OpenCredentials } from './credentials.ts';
import type { Take } from './lease.ts';
import type { EditionSource, Foundation } from './parts.ts';

/** The gate, as clients and servers of MCP are told of it. */
export const gateInfo: JsonObject = { name: 'tollgate', title: 'Tollgate', version: '1' };

export interface Ways {
  readonly upstream: Upstream;
  /** Those of mcp routes. */
  readonly servers: McpServers;
}

/** Every place the gate may dial: what the configuration names, and nothing else. */
export function targetUrls(table: RouteTable): string[] {
  const urls = table.routes().flatMap(({ targets }) => targets.map(({ url }) => url));
  return [...new Set(urls.filter((url) => url !== ''))].toSorted();
}

/** Opens no connection and starts no program before the first call. */
export async function openWays(
  foundation: Foundation,
  { loaded, table }: EditionSource,
  { dialer, credentials }: { readonly dialer: Dialer; readonly credentials: OpenCredentials },
  take: Take,
): Promise<Ways> {
  const { clock, log, store, checkpointSeal, place, tasks, env } = foundation;
  const upstream = new Upstream({
    dialer,
    credentials,
    credentialFailed: ({ route, name, credential }, { failure, code }) =>
      log('warn', 'a credential could not be got', { route, target: name, credential, failure, code }),
    txnToken: (errand, _target, { method, path, body }) =>
      foundation.txnTokens.mint(txnTokenRequest(errand, sentDigest(method, path, body))),
    clock,
  });
  const targets = table.routes().flatMap((route) => (route.kind === 'mcp' ? route.targets : []));
  const programs: (readonly [Target, ProgramServer])[] = [];
  for (const target of targets) {
    const { route, name, program } = target;
    if (program === undefined) continue;
    const { command, cwd = loaded.directory } = program;
    // A bare name is looked for in PATH.
    const found = /^\.{1,2}\//.test(command) ? resolve(loaded.directory, command) : command;
    const at = `${route}/${name}`;
    const from = { ...program, command: found, cwd };
    const server = await take(
      `mcp_program ${at}`,
      from,
      (made) => new ProgramServer(made, { clock, log, name: at, path: env.PATH, info: gateInfo }),
    );
    programs.push([target, server]);
  }
  const atTarget = new Map(targets.map((target) => [`${target.route}/${target.name}`, target]));
  const origin: readonly [string[], CredentialsOrigin, readonly Target[]] = [
    targetUrls(table),
    credentialsOriginOf(loaded),
    targets,
  ];
  const servers = await take('mcp_servers', origin, async () => {
    const made = new McpServers({
      ...{ clock, store, log, info: gateInfo, endedChannel },
      send: (errand, target, request) => upstream.send(errand, target, request),
      sealOf: checkpointSeal,
      gate: { id: place.id, cloud: place.cloud },
      programs,
      targetOf: (route, name) => atTarget.get(`${route}/${name}`),
      taskOf: (tenant, taskId) => tasks.load(tenant, taskId),
    });
    await made.open();
    return made;
  });
  return { upstream, servers };
}

function txnTokenRequest(errand: Errand, digest: string): TxnTokenRequest {
  const { record } = errand.task;
  return {
    callId: errand.id,
    subject: record.subject,
    agent: record.agent,
    operation: errand.resolved.operation.name,
    taskId: record.id,
    rootTaskId: record.ancestors.at(-1)?.id ?? record.id,
    purpose: record.purpose,
    sentDigest: digest,
  };
}
