/** The store's contract on every backend there is. */
import { MemoryStore } from '../../src/store/backends/memory.ts';
import { ManualClock } from '../fakes/clock.ts';
import { storeContract } from './store.ts';
import { storeIndexContract } from './store-index.ts';

const memory = () => {
  const clock = new ManualClock();
  return { store: new MemoryStore({ clock }), wait: (ms: number) => clock.advance(ms) };
};

storeContract('memory', memory);
storeIndexContract('memory', memory);
