/**
 * Carries TCP connections from one address to another. The programs of the example world listen on loopback alone, and
 * the gate takes plain `http://` issuers on loopback alone; in containers each has a loopback of its own. So one relay
 * stands before the world, and one beside each gate. As a program: `node relay.ts HOST`, for the world at HOST.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { pipeline } from 'node:stream';

/** Where the world says which ports it has. */
export const portsFile = '/run/world/ports.json';

const connectionsMax = 1000;

/** Takes connections at `host` and carries them to `toHost`, port by port. Rejects if a port is taken. */
export async function relay(ports: readonly number[], host: string, toHost: string): Promise<readonly Server[]> {
  return Promise.all(
    ports.map(async (port) => {
      const server = createServer((incoming) => {
        const outgoing = connect({ port, host: toHost });
        // A connection that breaks on one side ends on the other; there is nobody else to tell.
        pipeline(incoming, outgoing, () => incoming.destroy());
        pipeline(outgoing, incoming, () => outgoing.destroy());
      });
      server.maxConnections = connectionsMax;
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, resolve);
      });
      return server;
    }),
  );
}

if (import.meta.main) {
  const [toHost] = process.argv.slice(2);
  if (toHost === undefined) throw new Error('usage: node relay.ts HOST');
  const ports = JSON.parse(readFileSync(portsFile, 'utf8')) as number[];
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit());
  await relay(ports, '127.0.0.1', toHost);
}
