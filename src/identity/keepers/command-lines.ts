/**
 * A signer in a process of its own, asked in JSON lines over its stdin and stdout. It is kept running: one that ends,
 * hangs or talks nonsense is ended and started again, each time after a longer pause. Everything that waits for it is
 * bounded in number and time.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Json, JsonObject } from '../../call.ts';
import type { Clock, Timer } from '../../clock.ts';
import { SignerUnavailable } from './keeper.ts';

export interface SignerProcessOptions {
  readonly command: readonly [program: string, ...args: string[]];
  /** `PATH`, the only variable it is given. */
  readonly path: string | undefined;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Told why the process was ended or did not start; never of what it said. */
  readonly faulted: (fault: unknown) => void;
}

interface Waiting {
  readonly resolve: (answer: JsonObject) => void;
  readonly reject: (fault: Error) => void;
  readonly timer: Timer;
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

export const signerLimits = {
  /** Questions that may wait for an answer at once. */
  waitingMax: 256,
  lineBytesMax: 65_536,
  /** Time-outs in a row after which it is taken for hung. */
  silencesMax: 3,
  /** Lines in a row that answer nothing that is waited for; it may have been asked so much before it came too late. */
  straysMax: 256,
  restartMs: 100,
  restartMaxMs: 30_000,
  /** How long it may take to end when it is told to. */
  endingMs: 1_000,
} as const;

export class SignerProcess implements AsyncDisposable {
  readonly #options: SignerProcessOptions;
  readonly #waiting = new Map<string, Waiting>();
  #child: Child | undefined;
  #partial: Buffer = Buffer.alloc(0);
  #questions = 0;
  #silences = 0;
  #strays = 0;
  #answered = false;
  #startedMs = 0;
  #restarts = 0;
  #restart: Timer | undefined;
  #closed = false;

  constructor(options: SignerProcessOptions) {
    this.#options = options;
  }

  open(): void {
    this.#start();
  }

  /** Whether it runs and has answered what it was asked last. */
  get healthy(): boolean {
    return this.#child !== undefined && this.#answered && this.#silences === 0;
  }

  /** The answer to one question. Rejects with SignerUnavailable: away, silent, refusing, or asked too much at once. */
  ask(question: JsonObject): Promise<JsonObject> {
    const child = this.#child;
    if (child === undefined) return Promise.reject(new SignerUnavailable('the signer is not running'));
    if (this.#waiting.size >= signerLimits.waitingMax) {
      return Promise.reject(new SignerUnavailable('the signer has more to do than it can'));
    }
    const id = String(++this.#questions);
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(this.#options.timeoutMs, () => this.#silent(id));
      this.#waiting.set(id, { resolve, reject, timer });
      child.stdin.write(`${JSON.stringify({ ...question, id })}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#restart?.cancel();
    const child = this.#child;
    this.#lose('the signer was stopped');
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.stdin.end();
    child.kill('SIGTERM');
    const timer = this.#options.clock.after(signerLimits.endingMs, () => child.kill('SIGKILL'));
    await ended;
    timer.cancel();
  }

  #start(): void {
    if (this.#closed) return;
    const { command, path } = this.#options;
    const [program, ...args] = command;
    // What it writes to stderr goes nowhere: nobody can tell what a signer says there.
    this.#answered = false;
    this.#startedMs = this.#options.clock.monotonicMs();
    this.#partial = Buffer.alloc(0);
    this.#strays = 0;
    let child: Child;
    try {
      child = spawn(program, args, {
        stdio: ['pipe', 'pipe', 'ignore'],
        env: path === undefined ? {} : { PATH: path },
      });
    } catch (fault) {
      // Without memory for another process, for one: it throws at once.
      this.#fail(`the signer cannot be run: ${(fault as NodeJS.ErrnoException).code ?? 'error'}`);
      return;
    }
    this.#child = child;
    const gone = (why: string) => {
      if (this.#child === child) this.#fail(why);
    };
    child.on('error', (fault: NodeJS.ErrnoException) => gone(`the signer cannot be run: ${fault.code ?? 'error'}`));
    child.on('exit', (code, signal) => gone(`the signer ended (${signal ?? code})`));
    // Where no file can be opened any more there are no pipes, whatever their type says; the error above follows.
    if ((child.stdin as Writable | undefined) === undefined) return;
    // A pipe that breaks shows as the end of the process too.
    child.stdin.on('error', () => undefined);
    child.stdout.on('error', () => undefined);
    child.stdout.on('data', (chunk: Buffer) => {
      if (this.#child === child) this.#take(chunk);
    });
    // Whether it is well shows with its first answer, also when nobody has anything to sign.
    this.ask({ op: 'keys' }).catch(() => undefined);
  }

  #take(chunk: Buffer): void {
    let rest = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = rest.subarray(0, end);
      rest = rest.subarray(end + 1);
      if (line.length > signerLimits.lineBytesMax || !this.#answer(line)) {
        this.#fail('the signer answered what is no answer');
        return;
      }
    }
    if (rest.length > signerLimits.lineBytesMax) this.#fail('the signer answered a line without an end');
    else this.#partial = rest;
  }

  /** False for what is no JSON object, and for too many lines in a row that nobody waits for: late answers are few. */
  #answer(line: Buffer): boolean {
    let answer: Json;
    try {
      answer = JSON.parse(line.toString('utf8')) as Json;
    } catch {
      return false;
    }
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return false;
    const { id, error } = answer as JsonObject;
    const waiting = typeof id === 'string' ? this.#waiting.get(id) : undefined;
    if (waiting === undefined) return ++this.#strays <= signerLimits.straysMax;
    this.#silences = 0;
    this.#strays = 0;
    this.#answered = true;
    this.#waiting.delete(id as string);
    waiting.timer.cancel();
    if (error === undefined) waiting.resolve(answer as JsonObject);
    else waiting.reject(new SignerUnavailable('the signer refused'));
    return true;
  }

  #silent(id: string): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.reject(new SignerUnavailable('the signer did not answer in time'));
    this.#silences++;
    if (this.#silences >= signerLimits.silencesMax) this.#fail('the signer hangs');
  }

  /** Ends this process, and starts another one after a while. */
  #fail(why: string): void {
    const child = this.#child;
    this.#lose(why);
    child?.kill('SIGKILL');
    // What it has started itself may hold on to its pipes.
    for (const pipe of [child?.stdin, child?.stdout]) pipe?.destroy();
    if (this.#closed) return;
    this.#options.faulted(new SignerUnavailable(why));
    const { restartMs, restartMaxMs } = signerLimits;
    // One that answers, but never for long, is no better than one that does not.
    if (this.#options.clock.monotonicMs() - this.#startedMs > restartMaxMs) this.#restarts = 0;
    const pauseMs = Math.min(restartMaxMs, restartMs * 2 ** Math.min(this.#restarts++, 16));
    this.#restart = this.#options.clock.after(pauseMs, () => this.#start());
  }

  #lose(why: string): void {
    this.#child = undefined;
    this.#silences = 0;
    for (const { reject, timer } of this.#waiting.values()) {
      timer.cancel();
      reject(new SignerUnavailable(why));
    }
    this.#waiting.clear();
  }
}
