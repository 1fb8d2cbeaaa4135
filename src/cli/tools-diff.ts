/** `tollgate tools diff`: what MCP servers have changed in the definitions of their tools since they were accepted. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import { type CatalogueDocument, diffOf, hiddenLines, isDrifted } from './catalogue.ts';
import type { Command } from './command.ts';

export const toolsDiff: Command = {
  help: `usage: tollgate tools diff [--route R] [--json] (--config F | --admin-url U)

Shows each tool whose definition is not the one that was first seen, configured, or accepted: the accepted hash, the one
that was found, and what has changed. Also tells of descriptions that speak to the model behind the back of people, of
tools that are not offered, and of servers that cannot be asked.

  --route R         one MCP route

Exit 0 nothing has changed, 1 something has, or the gate said no. Takes the role auditor, policy_author or operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const options = { ...adminOptions, route: { type: 'string' } } as const;
    const { values } = parseArgs({ args: [...argv], options });
    const client = await connect(values, surroundings);
    const found = await client.get<CatalogueDocument>('/tools', { route: values.route });
    const drifted = found.routes.flatMap((route) => route.tools.filter(isDrifted).map((tool) => diffOf(route, tool)));
    if (values.json) surroundings.out(JSON.stringify(found, null, 2));
    else surroundings.out([...drifted, ...notesOf(found)].join('\n\n') || 'nothing has changed');
    return drifted.length > 0 ? 1 : 0;
  },
};

function notesOf({ routes }: CatalogueDocument): string[] {
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [[title, ...lines].join('\n')];
  return routes.flatMap((route) => [
    ...section(
      `${route.route}: tools that tell the model more than what they do`,
      route.tools.flatMap((tool) => hiddenLines(route, tool)),
    ),
    ...section(
      `${route.route}: tools that are not offered`,
      route.tools.flatMap(({ tool, state, fault }) =>
        state === 'refused' || state === 'unlisted' || state === 'gone' ? [`  ${tool}: ${fault ?? state}`] : [],
      ),
    ),
    ...section(
      `${route.route}: servers that cannot be asked`,
      route.targets.flatMap(({ name, fault }) => (fault === null ? [] : [`  ${name}: ${fault}`])),
    ),
  ]);
}
