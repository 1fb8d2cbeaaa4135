/** The store's contract on every backend there is. */
import { MemoryStore } from '../../src/store/backends/memory.ts';
import { ManualClock } from '../fakes/clock.ts';
import { storeContract } from './store.ts';
import { storeForfeitContract } from './store-forfeit.ts';
import { storeIndexContract } from './store-index.ts';
import { storeRatesContract } from './store-rates.ts';
import { storeSplitsContract } from './store-splits.ts';

const memory = () => {
  const clock = new ManualClock();
  return { store: new MemoryStore({ clock }), wait: (ms: number) => clock.advance(ms) };
};

storeContract('memory', memory);
storeIndexContract('memory', memory);
storeRatesContract('memory', memory);
storeForfeitContract('memory', memory);
storeSplitsContract('memory', memory);
