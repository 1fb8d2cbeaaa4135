/** A sink in memory that fails, hangs and counts as a test says; for what stands before a sink. */
import type { Draft, OpenIntent, Sink, Written } from '../../../src/audit/sinks/sink.ts';

export class ScriptedSink implements Sink {
  readonly batches: Draft[][] = [];
  /** While true, writes and probes reject, as on a full disk. */
  failing = false;
  /** While set, writes wait for it. */
  gate: Promise<void> | undefined;
  openIntents: OpenIntent[] = [];

  get written(): string[] {
    return this.batches.flat().map(({ event }) => event.operation ?? event.type);
  }

  async open(): Promise<{ openIntents: OpenIntent[] }> {
    return { openIntents: this.openIntents };
  }

  async write(batch: readonly Draft[]): Promise<Written[]> {
    await this.gate;
    if (this.failing) throw new Error('database or disk is full');
    this.batches.push([...batch]);
    return batch.map(({ event }) =>
      event.operation === 'poison' ? { id: event.id, refused: 'test' } : { id: event.id, seq: 1, hash: '' },
    );
  }

  async probe(): Promise<void> {
    if (this.failing) throw new Error('database or disk is full');
  }

  async erase(): Promise<boolean> {
    return false;
  }
  async events(): Promise<[]> {
    return [];
  }
  async payloads(): Promise<[]> {
    return [];
  }
  async checkpoints(): Promise<[]> {
    return [];
  }
  async head(): Promise<string> {
    return '';
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}
