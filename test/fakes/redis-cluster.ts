/**
 * A real Redis Cluster of three masters on this machine, each with its third of the slots. It goes on serving the others
 * when one is away, as an operator may configure it (`cluster-require-full-coverage no`).
 */
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { RedisServer } from './redis-server.ts';

const slots: readonly (readonly [number, number])[] = [
  [0, 5460],
  [5461, 10_922],
  [10_923, 16_383],
];

export class RedisCluster implements AsyncDisposable {
  readonly masters: readonly RedisServer[];

  private constructor(masters: readonly RedisServer[]) {
    this.masters = masters;
  }

  static async start(): Promise<RedisCluster> {
    const config = ['cluster-node-timeout 1000', 'cluster-require-full-coverage no'];
    const masters = await Promise.all(slots.map(() => RedisServer.start({ cluster: 'joins', config })));
    const cluster = new RedisCluster(masters);
    try {
      const first = masters[0] as RedisServer;
      for (const [index, [from, to]] of slots.entries()) {
        await masters[index]?.command('cluster', 'addslotsrange', String(from), String(to));
      }
      for (const { port, busPort } of masters.slice(1)) {
        await first.command('cluster', 'meet', '127.0.0.1', String(port), String(busPort));
      }
      for (const master of masters) await cluster.#complete(master);
    } catch (fault) {
      await cluster[Symbol.asyncDispose]();
      throw fault;
    }
    return cluster;
  }

  /** host:port of every master. */
  get nodes(): string[] {
    return this.masters.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** The master that serves the slot of `key`. */
  async masterOf(key: string): Promise<RedisServer> {
    const slot = Number(await this.masters[0]?.command('cluster', 'keyslot', key));
    return this.masters[slots.findIndex(([from, to]) => from <= slot && slot <= to)] as RedisServer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.masters.map((master) => master[Symbol.asyncDispose]()));
  }

  async #complete(master: RedisServer): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      const info = String(await master.command('cluster', 'info'));
      const whole = ['cluster_state:ok', 'cluster_slots_ok:16384', 'cluster_known_nodes:3'];
      if (whole.every((line) => info.includes(line))) return;
      await wait(20);
    }
    assert.fail('the cluster does not come together');
  }
}
