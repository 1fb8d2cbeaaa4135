/**
 * Runs the OPA compiler as a process of its own, bounded in time and output. Its environment is empty: the gate's own
 * holds credentials, and a compiler needs none.
 */
import { spawn } from 'node:child_process';
import type { Clock } from '../clock.ts';
import { BundleError } from './sources.ts';

const runMs = 60_000;
const stderrCharsMax = 65_536;
const stdoutBytesMax = 256 * 1_048_576;

export interface OpaRun {
  /** Absolute path of the program. */
  readonly opa: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly stdin?: string;
  readonly clock: Pick<Clock, 'after'>;
  readonly signal: AbortSignal;
}

export interface OpaRan {
  readonly code: number | null;
  readonly stdout: string;
  /** Its first 64 Ki characters. */
  readonly stderr: string;
}

/** Gives how OPA ended. Throws BundleError if it did not run, took over 60 s, or wrote more than 256 MiB. */
export async function runOpa({ opa, args, cwd, stdin, clock, signal }: OpaRun): Promise<OpaRan> {
  const late = new AbortController();
  const timer = clock.after(runMs, () => late.abort());
  try {
    return await new Promise<OpaRan>((resolve, reject) => {
      const child = spawn(opa, args, {
        cwd,
        env: {},
        stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
        signal: AbortSignal.any([signal, late.signal]),
        killSignal: 'SIGKILL',
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      let stderr = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= stdoutBytesMax) chunks.push(chunk);
      });
      child.stderr?.on('data', (chunk: Buffer) => {
        if (stderr.length < stderrCharsMax) stderr = (stderr + chunk.toString('utf8')).slice(0, stderrCharsMax);
      });
      child.on('error', (fault) =>
        reject(
          new BundleError(
            late.signal.aborted ? `OPA took longer than ${runMs} ms` : `OPA did not run: ${fault.message}`,
          ),
        ),
      );
      child.on('close', (code) => {
        if (bytes > stdoutBytesMax) reject(new BundleError(`OPA wrote more than ${stdoutBytesMax} bytes`));
        else resolve({ code, stdout: Buffer.concat(chunks).toString('utf8'), stderr });
      });
      // A program that ends before it has read everything says so by its exit code, not by a broken pipe.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(stdin);
    });
  } finally {
    timer.cancel();
  }
}
