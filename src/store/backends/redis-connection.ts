/**
 * Connections to Redis as the configuration describes them: one server, a master behind Sentinel, or a Cluster. With
 * ioredis's defaults a command on a dead Redis never settles; here nothing waits for a connection, nothing is sent
 * twice, and a socket that does not answer is given up. Connections come back by themselves until they are closed.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisPlace } from '../section.ts';

/** A socket on which nothing comes for this long, though an answer is due, is given up. */
const socketTimeoutMs = 200;
const connectTimeoutMs = 1_000;
const reconnectMaxMs = 500;
/** How often the nodes of a cluster are asked who serves what. */
const topologyMs = 2_000;

/** What the store asks of a connection; both kinds of ioredis have it. */
export interface Commands {
  readonly status: string;
  connect(): Promise<void>;
  disconnect(): void;
  on(event: string, listener: (fault?: Error) => void): unknown;
  ping(): Promise<unknown>;
  get(key: string): Promise<string | null>;
  unlink(key: string): Promise<number>;
  sadd(key: string, member: string): Promise<number>;
  smembers(key: string): Promise<string[]>;
  publish(channel: string, message: string): Promise<number>;
  evalsha(sha: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>;
  eval(script: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** 25, 50, 75, … ms, up to half a second: the wait before attempt `attempt` to connect again. */
export function reconnectDelayMs(attempt: number): number {
  return Math.min(25 * attempt, reconnectMaxMs);
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function addressOf(node: string): Address {
  const colon = node.lastIndexOf(':');
  return { host: withoutBrackets(node.slice(0, colon)), port: Number(node.slice(colon + 1)) };
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

/** TLS settings if the configuration asks for TLS, by its URL or by `tls`. */
function tlsOf({ url, tls }: RedisPlace): NonNullable<RedisOptions['tls']> | undefined {
  if (tls === undefined && !url?.startsWith('rediss://')) return undefined;
  return {
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
    ...(tls?.server_name === undefined ? {} : { servername: tls.server_name }),
  };
}

/** `replyMapping` is about RESP3, which nothing here needs. */
type Settings = Omit<RedisOptions, 'replyMapping'>;

function optionsOf(config: RedisPlace): Settings {
  const tls = tlsOf(config);
  return {
    lazyConnect: true,
    protocol: 2,
    connectionName: 'tollgate',
    disableClientInfo: true,
    connectTimeout: connectTimeoutMs,
    socketTimeout: Math.max(socketTimeoutMs, 4 * config.command_timeout_ms),
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // A master that became a replica says so to the first write; the next connection looks for the new master.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(config.password === undefined ? {} : { password: config.password }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** Where a connection goes: to the server of the URL, or to the master that the sentinels name. */
function placeOf(config: RedisPlace): Settings {
  if (config.sentinel !== undefined) {
    const { name, nodes, username, password } = config.sentinel;
    const tls = tlsOf(config);
    return {
      name,
      sentinels: nodes.map(addressOf),
      sentinelCommandTimeout: connectTimeoutMs,
      // ioredis goes on without this connection's own limits while it looks for a master: ours is to try again.
      sentinelRetryStrategy: reconnectDelayMs,
      ...(username === undefined ? {} : { sentinelUsername: username }),
      ...(password === undefined ? {} : { sentinelPassword: password }),
      ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    };
  }
  const url = new URL(config.url as string);
  return {
    host: withoutBrackets(url.hostname),
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
  };
}

/**
 * The connection for commands; not yet made. Each command is written at once: with auto-pipelining a pair of reserve and
 * settle cost the same CPU and took up to twice as long, because one pipeline waits for the answers of the one before.
 */
export function commandConnection(config: RedisPlace): Commands {
  const options = optionsOf(config);
  if (config.cluster === undefined) {
    return new Redis({
      ...options,
      ...placeOf(config),
      enableOfflineQueue: false,
      retryStrategy: reconnectDelayMs,
    });
  }
  return new Cluster(config.cluster.nodes.map(addressOf), {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnectDelayMs,
    slotsRefreshInterval: topologyMs,
    slotsRefreshTimeout: connectTimeoutMs,
    maxRedirections: 3,
    redisOptions: options,
  });
}

/**
 * A connection for messages; not yet made, and not made again when it ends. In a cluster any node hears all messages: the
 * `attempt`s go round the nodes that are configured.
 */
export function messageConnection(config: RedisPlace, attempt: number): Redis {
  const { cluster } = config;
  const place: Settings =
    cluster === undefined ? placeOf(config) : addressOf(cluster.nodes[attempt % cluster.nodes.length] as string);
  return new Redis({
    ...optionsOf(config),
    ...place,
    enableOfflineQueue: false,
    retryStrategy: null,
    sentinelRetryStrategy: () => null,
    reconnectOnError: null,
  });
}
