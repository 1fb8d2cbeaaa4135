/**
 * The memory that all copies of a service share: in one step Redis keeps a key that is not there yet, so that of many
 * copies exactly one is first. An instance that evicts keys under pressure would forget a token too early: give it
 * `maxmemory-policy noeviction`, and no replica that lags to fail over to.
 */
import type { Redis } from 'ioredis';
import type { TxnMemory } from '../../src/identity/verify.ts';

export function redisMemory(redis: Redis, service: string): TxnMemory {
  return {
    use: async (txn, notAfterMs) => {
      const ttlMs = Math.max(1, Math.ceil(notAfterMs - Date.now()));
      const first = await redis.set(`txn:${service}:${txn}`, '1', 'PX', ttlMs, 'NX');
      return first === 'OK' ? 'fresh' : 'used';
    },
  };
}
