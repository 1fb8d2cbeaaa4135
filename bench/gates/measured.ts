/** What every measured program has beside its own work: it says what it has used, and can be profiled. */
import { writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';
import type { MeasuredQuestion, Ready, Usage } from '../messages.ts';

const samplingUs = 250;

function usage(): Usage {
  const whole = process.cpuUsage();
  const main = process.threadCpuUsage();
  return {
    cpuUs: whole.user + whole.system,
    mainUs: main.user + main.system,
    residentBytes: process.memoryUsage.rss(),
  };
}

/** Answers questions until the channel closes; then `close`, and out. */
export function measured(url: string, close: () => Promise<void>): void {
  let session: Session | undefined;
  async function answer(question: MeasuredQuestion): Promise<unknown> {
    if (question.ask === 'usage') return usage();
    if (question.ask === 'profile.start') {
      session = new Session();
      session.connect();
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: samplingUs });
      await session.post('Profiler.start');
      return {};
    }
    const stopped = await session?.post('Profiler.stop');
    session?.disconnect();
    await writeFile(question.file, JSON.stringify(stopped?.profile));
    return {};
  }
  process.on('message', (question: MeasuredQuestion) => {
    answer(question).then(
      (said) => process.send?.(said),
      (error: unknown) => process.send?.({ failed: String(error) }),
    );
  });
  process.on('disconnect', () => {
    close().then(
      () => process.exit(),
      () => process.exit(1),
    );
  });
  process.send?.({ url } satisfies Ready);
}
