/** A client of a simulated gateway, which takes its time, may leave, and is cut off where the gateway dies. */
import { sleep } from '../../src/clock.ts';
import type { Reply } from '../../src/pipeline.ts';
import type { ManualClock } from '../fakes/clock.ts';
import type { Draw, Life } from './far_store.ts';

export interface SlowClient {
  readonly life: Life;
  readonly abort: AbortController;
  readonly draw: Draw;
  readonly clock: ManualClock;
  left: boolean;
  got: string;
}

/** Reads as a client over a network does: with pauses, and no further once it has left or the gateway is gone. */
export async function read({ body }: Reply, client: SlowClient): Promise<void> {
  if (Buffer.isBuffer(body)) {
    client.got = body.toString();
    return;
  }
  if (client.left) return;
  const frames = body[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await frames.next();
    if (done === true) return;
    client.got += Buffer.from(value).toString();
    if (client.draw(3) === 0) await sleep(client.clock, client.draw(6));
    if (!client.life.alive) return;
    if (client.left) {
      await frames.return?.();
      return;
    }
  }
}
