/**
 * A program that speaks MCP over its standard input and output: started with nothing of the gate's environment but PATH,
 * in a process group of its own, which is ended with it. What a reader would get wrong: what it writes to standard error
 * is no fault, it is its log; it goes into the gate's, bounded.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Target } from '../../call.ts';
import { type Clock, sleep } from '../../clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { incomingMax } from './incoming.ts';

export type Program = NonNullable<Target['program']>;

/** The most that waits to be read by a program, in bytes. */
const unreadBytesMax = 16 * 1_048_576;
/** Of its standard error: characters of a line, and lines in a time. */
const stderrMax = { chars: 1_000, lines: 50, perMs: 10_000 } as const;
/** How long it may take to end: once its input is closed, and once it was told to. In milliseconds. */
const endingMs = { closed: 500, told: 2_000 } as const;

export interface ChildParts {
  readonly clock: Clock;
  readonly log: Log;
  /** As the log names it. */
  readonly name: string;
  /** Where programs are looked for. */
  readonly path: string | undefined;
  /** Told of each line it writes. */
  readonly line: (text: string) => void;
  /** Told once, when it has ended or could not be started. */
  readonly ended: (why: string) => void;
}

export class Child {
  readonly #parts: ChildParts;
  readonly #process: ChildProcess;
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #ended = false;
  readonly #over = Promise.withResolvers<void>();
  #stderr = { lines: 0, sinceMs: 0, rest: '' };

  /** Starts it. That it cannot be started is told to `ended`, like its end. */
  constructor({ command, args, env, cwd }: Program, parts: ChildParts) {
    this.#parts = parts;
    const path = parts.path === undefined ? {} : { PATH: parts.path };
    this.#process = spawn(command, [...args], {
      env: { ...path, ...env },
      ...(cwd === undefined ? {} : { cwd }),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own: what it starts itself ends with it, and Ctrl-C at the gate is not also its.
      detached: true,
      windowsHide: true,
    });
    this.#process.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? error.name));
    const why = (code: number | null, signal: string | null) => signal ?? `exit code ${code}`;
    this.#process.on('close', (code, signal) => this.#end(why(code, signal)));
    // What it had started may keep its output open for ever; what it wrote itself is read by then.
    this.#process.on('exit', (code, signal) => parts.clock.after(endingMs.closed, () => this.#end(why(code, signal))));
    this.#process.stdin?.on('error', () => undefined);
    this.#process.stdout?.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => this.#log(text));
  }

  /** Writes one line. False where the program is gone, or does not read. */
  write(text: string): boolean {
    const { stdin } = this.#process;
    if (this.#ended || stdin === null || !stdin.writable || stdin.writableLength > unreadBytesMax) return false;
    stdin.write(`${text}\n`);
    return true;
  }

  /** Ends it: its input is closed, then it is told to end, then it is ended. Resolves when it is gone. */
  async end(): Promise<void> {
    if (this.#ended) return;
    const { clock } = this.#parts;
    const gone = this.#over.promise;
    this.#process.stdin?.end();
    await Promise.race([gone, sleep(clock, endingMs.closed)]);
    if (!this.#ended) {
      this.#signal('SIGTERM');
      await Promise.race([gone, sleep(clock, endingMs.told)]);
    }
    if (this.#ended) return;
    this.#signal('SIGKILL');
    await Promise.race([gone, sleep(clock, endingMs.told)]);
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The group is gone.
    }
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    // What it had started ends with it.
    this.#signal('SIGKILL');
    this.#over.resolve();
    this.#parts.ended(why);
  }

  #read(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      const bytes = Buffer.concat([...this.#begun, chunk.subarray(from, at)]);
      this.#begun = [];
      this.#begunBytes = 0;
      from = at + 1;
      const line = bytes.toString('utf8').trim();
      if (line !== '') this.#parts.line(line);
    }
    if (from === chunk.length) return;
    this.#begun.push(from === 0 ? chunk : chunk.subarray(from));
    this.#begunBytes += chunk.length - from;
    if (this.#begunBytes <= incomingMax.messageBytes) return;
    this.#parts.log('warn', 'a program wrote a line that is too long, and is ended', { program: this.#parts.name });
    this.#begun = [];
    this.#begunBytes = 0;
    this.#signal('SIGKILL');
  }

  #log(text: string): void {
    const lines = (this.#stderr.rest + text).split('\n');
    this.#stderr.rest = (lines.pop() ?? '').slice(0, stderrMax.chars);
    const nowMs = this.#parts.clock.monotonicMs();
    for (const line of lines) {
      if (line.trim() === '') continue;
      if (nowMs - this.#stderr.sinceMs >= stderrMax.perMs) this.#stderr = { ...this.#stderr, lines: 0, sinceMs: nowMs };
      this.#stderr.lines += 1;
      if (this.#stderr.lines > stderrMax.lines) continue;
      const { log, name } = this.#parts;
      log('info', 'a program says', { program: name, line: line.slice(0, stderrMax.chars) });
    }
  }
}
