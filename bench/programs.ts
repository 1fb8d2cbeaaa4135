/**
 * Starts the programs of the benchmark on the cores they belong to, and asks them things. What is measured has one
 * core for itself; load, upstream and Redis share another. Where there is no `taskset`, or only one core, nothing is
 * pinned, and the table says so.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Ready } from './messages.ts';

/** `any`: wherever there is room, for runs whose times do not matter. */
export type Core = 'measured' | 'others' | 'any';
const coreNumbers = { measured: '0', others: '1' } as const;

const readyMsMax = 60_000;
const answerMsMax = 180_000;
const endMsMax = 20_000;

/** The full path of a program, or undefined where this machine has none. */
export function onPath(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

const taskset = availableParallelism() > 1 ? onPath('taskset') : undefined;
export const pinned = taskset !== undefined;

function start(core: Core, command: string, args: readonly string[], ipc: boolean): ChildProcess {
  const pin = taskset === undefined || core === 'any' ? [] : [taskset, '-c', coreNumbers[core]];
  const whole = [...pin, command, ...args];
  const [first = command, ...rest] = whole;
  return spawn(first, rest, { stdio: ['ignore', 'ignore', 'inherit', ...(ipc ? (['ipc'] as const) : [])] });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const late = setTimeout(() => child.kill('SIGKILL'), endMsMax);
    child.once('exit', () => {
      clearTimeout(late);
      resolve();
    });
  });
}

/** A program of ours that runs. */
export class Program implements AsyncDisposable {
  readonly ready: Ready;
  readonly #child: ChildProcess;
  readonly #name: string;

  private constructor(child: ChildProcess, name: string, ready: Ready) {
    this.#child = child;
    this.#name = name;
    this.ready = ready;
  }

  /** Starts `file` of this folder and waits until it is ready. */
  static async start(core: Core, file: string, args: readonly string[] = []): Promise<Program> {
    const child = start(core, process.execPath, [join(import.meta.dirname, file), ...args], true);
    try {
      return new Program(child, file, await heard<Ready>(child, file, readyMsMax));
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  async ask<Answer>(question: object): Promise<Answer> {
    const answer = heard<Answer | { readonly failed: string }>(this.#child, this.#name, answerMsMax);
    this.#child.send(question);
    const said = await answer;
    if (typeof said === 'object' && said !== null && 'failed' in said) throw new Error(`${this.#name}: ${said.failed}`);
    return said as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await ended(this.#child);
  }
}

function heard<Message>(child: ChildProcess, name: string, msMax: number): Promise<Message> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => settle(() => reject(new Error(`${name} said nothing for ${msMax} ms`))), msMax);
    const settle = (how: () => void) => {
      clearTimeout(late);
      child.off('message', onMessage);
      child.off('exit', onExit);
      how();
    };
    const onMessage = (message: unknown) => settle(() => resolve(message as Message));
    const onExit = (code: number | null) => settle(() => reject(new Error(`${name} ended with ${code}`)));
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}

/** A Redis of our own that keeps nothing, or undefined where there is no redis-server. */
export async function startRedis(directory: string): Promise<(AsyncDisposable & { readonly url: string }) | undefined> {
  const server = onPath('redis-server');
  if (server === undefined) return undefined;
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory];
  const child = start('others', server, args, false);
  // Our own programs end with the channel to this one; Redis has none.
  process.once('exit', () => child.kill('SIGTERM'));
  return {
    url: `redis://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended(child);
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
