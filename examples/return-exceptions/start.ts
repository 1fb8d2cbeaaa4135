/**
 * `npm start`: the world, the gate in the middle of it, the story once; then it stays up until Ctrl-C. With `--once`
 * it leaves after the story: 0 if everything held, else 1.
 */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { faultLine } from '../../src/config/load.ts';
import { ConfigFaults, startGate } from '../../src/main.ts';
import { PortTaken } from '../../src/server/listener.ts';
import { type Gate, runStory } from './run.ts';
import { timeline } from './timeline.ts';
import { World } from './world/world.ts';

const usage = `usage: npm start -- [--once] [--port N] [--admin-port N] [--data-dir DIR]

  --once           leave after the story: 0 if every assertion held, else 1
  --port N         the gate for agents, 8080 if left out
  --admin-port N   the gate for people, 8081 if left out
  --data-dir DIR   keys and audit trail of the gate, ./data if left out
`;

/** What shells give for a program that Ctrl-C stopped. */
const stoppedCode = 130;

interface Options {
  readonly once: boolean;
  readonly port: number;
  readonly adminPort: number;
  readonly dataDir: string;
}

/** The options, or undefined where the call was wrong. */
function readOptions(args: string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        once: { type: 'boolean', default: false },
        port: { type: 'string', default: '8080' },
        'admin-port': { type: 'string', default: '8081' },
        'data-dir': { type: 'string', default: 'data' },
      },
    });
    const [port, adminPort] = [values.port, values['admin-port']].map((text) =>
      /^\d{1,5}$/.test(text) ? Number(text) : -1,
    );
    if (port === undefined || adminPort === undefined || port < 1 || adminPort < 1) return undefined;
    if (Math.max(port, adminPort) > 65_535 || port === adminPort) return undefined;
    return { once: values.once, port, adminPort, dataDir: resolve(values['data-dir']) };
  } catch {
    return undefined;
  }
}

/** The gate with the example's tollgate.yaml, told where everything is. */
async function openGate(world: World, { port, adminPort, dataDir }: Options) {
  return startGate({
    configFile: fileURLToPath(new URL('tollgate.yaml', import.meta.url)),
    env: {
      ...process.env,
      ...world.env(),
      TOLLGATE_LISTEN: `127.0.0.1:${port}`,
      TOLLGATE_ADMIN: `127.0.0.1:${adminPort}`,
      TOLLGATE_DATA_DIR: dataDir,
    },
  });
}

/** The coordinator's own secret, for people who want to try calls by hand. */
async function leaveCoordinatorSecret(world: World, gate: Gate): Promise<void> {
  const { tokenEndpoint, clientId, clientSecret } = world.issuers.azure.workload('coordinator');
  const values = {
    GATE: gate.url,
    ADMIN: gate.adminUrl,
    TOKEN_ENDPOINT: tokenEndpoint,
    CLIENT_ID: clientId,
    CLIENT_SECRET: clientSecret,
  };
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(gate.dataDir, 'coordinator.env'), lines.join(''), { mode: 0o600 });
}

function directory(world: World, gate: Gate): string {
  const rows = [
    ['gate', gate.url, 'for agents'],
    ['', gate.adminUrl, `for people; bearer token in ${gate.dataDir}/admin-token`],
    ...world.directory(),
  ];
  return `\n${rows.map(([name = '', url = '', what = '']) => `  ${name.padEnd(10)} ${url.padEnd(26)} ${what}`).join('\n')}\n`;
}

function whyNotStarted(fault: unknown): string {
  if (fault instanceof PortTaken) return `${fault.message}. Choose another: npm start -- --port 9080 --admin-port 9081`;
  if (fault instanceof ConfigFaults) return fault.faults.map(faultLine).join('\n');
  return `The gate did not start: ${fault instanceof Error ? fault.message : String(fault)}`;
}

/** Runs everything; gives the exit code. */
async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const stop = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.resolve());

  await using world = new World();
  await world.open();
  let gate: Awaited<ReturnType<typeof openGate>>;
  try {
    gate = await openGate(world, options);
  } catch (fault) {
    process.stderr.write(`${whyNotStarted(fault)}\n`);
    return 1;
  }
  try {
    world.trustGate(gate.url);
    process.stdout.write(directory(world, gate));
    const result = await Promise.race([runStory(world, gate), stop.promise]);
    if (result === undefined) return stoppedCode;
    process.stdout.write(timeline(result));
    if (options.once) return result.ok ? 0 : 1;
    await leaveCoordinatorSecret(world, gate);
    process.stdout.write(
      '\nEverything stays up until Ctrl-C. The README of examples/return-exceptions has calls to try.\n',
    );
    await stop.promise;
    return result.ok ? 0 : 1;
  } finally {
    await gate.close();
  }
}

// Not by the exit code alone: a story that Ctrl-C broke off still has calls underway.
process.exit(await main(process.argv.slice(2)));
