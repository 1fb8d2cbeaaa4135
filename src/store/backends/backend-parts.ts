/** What every backend is given, whatever its configuration is. */
import type { Clock } from '../../clock.ts';
import { StoreUnavailable } from '../store.ts';

/** Told of every command to a backend outside of this process: what it took, and how it went. */
export type OnCommand = (command: string, ms: number, outcome: 'answered' | 'timeout' | 'unavailable') => void;

export interface BackendParts {
  readonly clock: Clock;
  /** Told of what a subscriber threw; the other subscribers get their message all the same. */
  readonly onListenerFault?: (error: unknown) => void;
  /** Told each time a connection to the backend is refused or lost; it is made again without help. */
  readonly onConnectionFault?: (error: unknown) => void;
  readonly onCommand?: OnCommand;
}

/** The backend did not answer in time; what it was asked may still be carried out. */
export class StoreTimeout extends StoreUnavailable {}

/** The answer of `command`, and its time told. */
export async function timed<T>(
  { clock, onCommand }: Pick<BackendParts, 'clock' | 'onCommand'>,
  name: string,
  command: () => Promise<T>,
): Promise<T> {
  const startMs = clock.monotonicMs();
  try {
    const answer = await command();
    onCommand?.(name, clock.monotonicMs() - startMs, 'answered');
    return answer;
  } catch (fault) {
    onCommand?.(name, clock.monotonicMs() - startMs, fault instanceof StoreTimeout ? 'timeout' : 'unavailable');
    throw fault;
  }
}
