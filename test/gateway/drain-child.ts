/** A process that is only `tollgate start`, with the fixture policy: so that a test can send it signals. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

export interface StartedGate {
  readonly url: string;
  readonly adminUrl: string;
  /** Everything it said, on both streams. */
  said(): string;
  signal(name: NodeJS.Signals): void;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** Starts `tollgate start --config FILE` from the sources and waits until it is up. Throws with what it said if it ends. */
export async function startGateProcess(configFile: string): Promise<StartedGate> {
  const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
  const child = spawn(process.execPath, [main, 'start', '--config', configFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Not what the test runner tells its own children.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  let said = '';
  const listen = (chunk: Buffer) => {
    said += chunk.toString();
  };
  child.stdout.on('data', listen);
  child.stderr.on('data', listen);
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  const up = /tollgate is up: agents (\S+), people (\S+) /;
  while (!up.test(said)) {
    const gone = await Promise.race([ended, new Promise<undefined>((done) => setTimeout(done, 20, undefined))]);
    if (gone !== undefined) throw new Error(`tollgate start ended with ${gone}:\n${said}`);
  }
  const [, url = '', adminUrl = ''] = up.exec(said) ?? [];
  return { url, adminUrl, said: () => said, signal: (name) => void child.kill(name), ended };
}
