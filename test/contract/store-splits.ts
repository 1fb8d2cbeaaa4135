/** What every backend must do with what a settlement says of its amounts; registers as `storeContract` does. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { storeKey } from '../../src/store/store.ts';
import type { StoreUnderTest } from './store.ts';

const ttlMs = 60_000;

export function storeSplitsContract(
  name: string,
  makeStore: () => StoreUnderTest,
  options: { readonly skip?: string } = {},
): void {
  describe(`${name}: splits`, options, () => {
    test('a scope that counts splits has them, once; every other scope has the plain amounts alone', async () => {
      const { store } = makeStore();
      await store.open();
      await using _closed = store;
      const [plain, split] = [randomUUID(), randomUUID()].map((id) => storeKey('acme', 'contract', id)) as [
        string,
        string,
      ];
      const id = randomUUID();
      const scopes = [
        { key: plain, limits: { n: 10 }, ttlMs },
        { key: split, limits: {}, splits: true as const, ttlMs },
      ];
      assert.equal((await store.reserve(id, scopes, { n: 4 }, ttlMs)).ok, true);
      const actual = { n: 3, '@one/m/n': 2, '@two/m/n': 1 };
      const { balances } = await store.settle(id, actual);
      assert.equal((await store.settle(id, actual)).settled, false);
      assert.deepEqual(
        balances.map(({ spent }) => spent),
        [{ n: 3 }, {}],
      );
      assert.deepEqual(
        (await store.balance([plain, split])).map(({ spent }) => spent),
        [{ n: 3 }, actual],
      );
    });
  });
}
