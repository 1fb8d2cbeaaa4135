/**
 * A real redis-server that a test starts on a free port of this machine, hangs, kills and starts again. It hands every
 * command to the file system before it answers, so that even a kill forgets nothing that was answered (a power cut would).
 * Dispose it: it ends only then.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { partPath } from '../parts.ts';

export interface RedisServerOptions {
  /** Lines of redis.conf beside those that every server here has. */
  readonly config?: readonly string[];
  /** Instead of a server of data: it watches one. */
  readonly sentinel?: boolean;
  /** A Cluster of this node alone; or, with `joins`, a node that serves nothing yet. */
  readonly cluster?: boolean | 'joins';
  /** Serve TLS on the port, with these files. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

const clusterLines = ['cluster-enabled yes', 'cluster-config-file nodes.conf', 'cluster-announce-ip 127.0.0.1'];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  server.close();
  await once(server, 'close');
  return address.port;
}

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  /** Where the nodes of a Cluster talk to each other. */
  readonly busPort: number;
  readonly #options: RedisServerOptions;
  readonly #directory: string;
  #process: ChildProcess | undefined;
  readonly #killWithTest = (): void => {
    this.#process?.kill('SIGKILL');
  };

  private constructor([port, busPort]: readonly [number, number], directory: string, options: RedisServerOptions) {
    this.port = port;
    this.busPort = busPort;
    this.#directory = directory;
    this.#options = options;
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'tollgate-redis-'));
    const server = new RedisServer([await freePort(), await freePort()], directory, options);
    const { sentinel, cluster, tls, config } = options;
    const lines = [
      'bind 127.0.0.1',
      `dir ${directory}`,
      tls === undefined ? `port ${server.port}` : `port 0\ntls-port ${server.port}`,
      ...(tls === undefined
        ? []
        : [`tls-ca-cert-file ${tls.ca}`, `tls-cert-file ${tls.cert}`, `tls-key-file ${tls.key}`]),
      ...(sentinel ? [] : ['save ""', 'appendonly yes', 'appendfsync no']),
      ...(cluster ? [...clusterLines, `cluster-port ${server.busPort}`] : []),
      ...(config ?? []),
    ];
    await writeFile(join(directory, 'redis.conf'), `${lines.join('\n')}\n`);
    process.once('exit', server.#killWithTest);
    await server.start();
    if (cluster === true) await server.#serveAllSlots();
    return server;
  }

  get url(): string {
    return `${this.#options.tls === undefined ? 'redis' : 'rediss'}://127.0.0.1:${this.port}`;
  }

  /** Starts it, or starts it again on the same port with what it had on disk. Resolves when it answers. */
  async start(): Promise<void> {
    assert.equal(this.#process, undefined, 'it is not running');
    const program = partPath('redis-server');
    assert.ok(program, 'a test that needs redis-server skips without it');
    const { sentinel } = this.#options;
    const child = spawn(program, [join(this.#directory, 'redis.conf'), ...(sentinel ? ['--sentinel'] : [])], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#process = child;
    const isUp = sentinel ? /Sentinel ID is/ : /Ready to accept connections/;
    let log = '';
    await new Promise<void>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        log = (log + text).slice(-10_000);
        if (isUp.test(log)) resolve();
      });
      child.once('exit', () => reject(new Error(`redis-server ended:\n${log}`)));
      child.once('error', reject);
    });
  }

  /** As by an operator; or, with SIGKILL, without a word. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#process = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** It keeps its connections, takes what is sent, and answers nothing. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** One command on a connection of its own, as an operator at the terminal. */
  async command(name: string, ...args: readonly string[]): Promise<unknown> {
    const redis = new Redis({ host: '127.0.0.1', port: this.port, lazyConnect: true, enableReadyCheck: false });
    try {
      await redis.connect();
      return await redis.call(name, ...args);
    } finally {
      redis.disconnect();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#killWithTest);
    await this.stop('SIGKILL');
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #serveAllSlots(): Promise<void> {
    await this.command('cluster', 'addslotsrange', '0', '16383');
    while (!String(await this.command('cluster', 'info')).includes('cluster_state:ok')) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
