/** The sinks there are, by their name in tollgate.yaml. A new one is a file here, a line below, and the contract. */
import type { CheckpointSigner } from '../checkpoint.ts';
import type { AuditConfig } from '../section.ts';
import type { Sink } from './sink.ts';
import { SqliteSink } from './sqlite.ts';

export interface SinkSettings {
  readonly dataDir: string;
  readonly origin: string;
  readonly signer: CheckpointSigner;
  readonly signEvery: number;
}

export const sinks: Readonly<Record<AuditConfig['sink'], (settings: SinkSettings) => Sink>> = {
  sqlite: (settings) => new SqliteSink(settings),
};
