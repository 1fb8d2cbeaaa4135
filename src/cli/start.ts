/** `tollgate start`: the gate alone, with somebody's own tollgate.yaml, until it is told to stop. */
import { parseArgs } from 'node:util';
import { faultLine } from '../config/load.ts';
import { ConfigFaults, startGate } from '../main.ts';
import { PortTaken } from '../server/listener.ts';
import { type Command, type Surroundings, Usage } from './command.ts';

export const start: Command = {
  help: `usage: tollgate start --config FILE

Starts the data plane (agents, gateway.listen) and the admin plane (people, gateway.admin), and stays up until SIGINT
or SIGTERM: then it takes nothing new, lets running calls and streams end (limits.drain_ms), and exits 0. A change of
FILE, or of a file that it names, is put in force without a dropped request; SIGHUP asks for it at once.
Keys, audit trail and compiled policies lie in gateway.data_dir; so does the admin token, in its file admin-token, which
opens the admin plane until an admin section says by which issuer people sign in.
Logs go to standard error as JSON lines.`,
  async run(argv, surroundings) {
    const { values } = parseArgs({ args: [...argv], options: { config: { type: 'string', short: 'c' } } });
    if (values.config === undefined) throw new Usage('--config FILE is missing');
    return serve(values.config, surroundings);
  },
};

async function serve(file: string, { env, out, err }: Surroundings): Promise<number> {
  const stop = Promise.withResolvers<string>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.resolve(signal));
  try {
    const gate = await startGate({ configFile: file, env });
    process.on('SIGHUP', () => void gate.reload('signal'));
    const by = gate.peopleIssuer === null ? `token in ${gate.adminTokenFile}` : `by tokens of ${gate.peopleIssuer}`;
    out(`tollgate is up: agents ${gate.url}, people ${gate.adminUrl} (${by})`);
    const signal = await stop.promise;
    out(`${signal}: draining`);
    await gate.close();
    return 0;
  } catch (fault) {
    if (fault instanceof ConfigFaults) {
      for (const line of fault.faults.map(faultLine)) err(line);
      err(
        `${file}: ${fault.faults.length} ${fault.faults.length === 1 ? 'fault' : 'faults'}; the gate was not started`,
      );
      return 1;
    }
    if (fault instanceof PortTaken) {
      err(`${fault.message}; choose another with gateway.listen or gateway.admin in ${file}`);
      return 1;
    }
    throw fault;
  }
}
