/** `tollgate tools accept`: takes a changed definition of a tool for good, at every gateway. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import { type CatalogueDocument, diffOf } from './catalogue.ts';
import { type Command, Usage } from './command.ts';

export const toolsAccept: Command = {
  help: `usage: tollgate tools accept ROUTE TOOL [--hash H] [--reason TEXT] (--config F | --admin-url U)

Accepts the definition that the server of ROUTE now gives TOOL, shows what has changed by it, and lets calls go on at
every gateway of the store. With --hash it is accepted only if it is the definition with that hash, as \`tollgate tools
diff\` shows it; without, the one there is now, if there is only one. It is refused where the definition changes meanwhile.

  --hash H          the hash of the definition that you have looked at
  --reason TEXT     stands in the audit trail

Takes the role operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const options = { ...adminOptions, hash: { type: 'string' }, reason: { type: 'string' } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options });
    const [route, tool, ...more] = positionals;
    if (route === undefined || tool === undefined || more.length > 0) {
      throw new Usage(`one ROUTE and one TOOL, found ${positionals.length}`);
    }
    const client = await connect(values, surroundings);
    const shown = (await client.get<CatalogueDocument>('/tools', { route })).routes[0];
    const entry = shown?.tools.find((one) => one.tool === tool);
    const hashes = entry?.found.map(({ hash }) => hash) ?? [];
    const hash = values.hash ?? (hashes.length === 1 ? hashes[0] : undefined);
    if (hash === undefined) {
      const why =
        hashes.length === 0 ? 'there is no change of this tool to accept' : `--hash is one of ${hashes.join(', ')}`;
      throw new Error(why);
    }
    if (!values.json && shown !== undefined && entry !== undefined) {
      surroundings.out(diffOf(shown, { ...entry, found: entry.found.filter((one) => one.hash === hash) }));
    }
    const { reason } = values;
    const body = { route, tool, hash, ...(reason === undefined ? {} : { reason }) };
    const accepted = await client.post<{ readonly before: string }>('/tools/accept', body);
    surroundings.out(values.json ? JSON.stringify(accepted, null, 2) : `accepted: ${route} ${tool} ${hash}`);
    return 0;
  },
};
