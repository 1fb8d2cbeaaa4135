/**
 * Tools: what the MCP servers offer, how that stands to what was accepted, and the button that accepts a change. What a
 * reader would get wrong: what is accepted is the hash that is shown here; where the server has changed it again, the gate
 * refuses, and the page shows what there is now.
 */
import { useCallback, useEffect, useState } from 'preact/hooks';
import type { Problem } from './api.ts';
import { html } from './html.ts';
import { ProblemBox } from './problem.ts';
import type { PageProps } from './shell.ts';
import { ToolDiff } from './tool-diff.ts';
import { type CatalogueRoute, isDrifted, type Tool } from './tool-document.ts';

interface Busy {
  readonly route: string;
  readonly tool: string;
}

export function Tools({ ask }: PageProps) {
  const [routes, setRoutes] = useState<readonly CatalogueRoute[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState<Busy | null>(null);
  const [said, setSaid] = useState('');

  const load = useCallback(async () => {
    const answer = await ask<{ readonly routes: readonly CatalogueRoute[] }>('/tools');
    if ('value' in answer) setRoutes(answer.value.routes);
    else setProblem(answer.problem);
  }, [ask]);

  useEffect(() => {
    void load();
  }, [load]);

  const accept = useCallback(
    async (route: string, tool: string, hash: string) => {
      setBusy({ route, tool });
      setProblem(null);
      setSaid('');
      const answer = await ask<{ readonly hash: string }>('/tools/accept', JSON.stringify({ route, tool, hash }));
      if ('problem' in answer) setProblem(answer.problem);
      else setSaid(`Accepted: ${route} ${tool}.`);
      await load();
      setBusy(null);
    },
    [ask, load],
  );

  const drifted = routes?.flatMap(({ tools }) => tools.filter(isDrifted)).length ?? 0;
  const summary = routes === null ? 'Loading …' : summaryOf(routes, drifted);
  return html`
    <h1>Tools</h1>
    <p class="hint">What MCP servers offer, held against the definitions that were accepted.</p>
    <p role="status" class="hint">${said === '' ? summary : `${said} ${summary}`}</p>
    ${problem !== null && html`<div role="alert"><${ProblemBox} problem=${problem} /></div>`}
    ${(routes ?? []).map((route) => html`<${RouteSection} key=${route.route} route=${route} busy=${busy} accept=${accept} />`)}
  `;
}

function summaryOf(routes: readonly CatalogueRoute[], drifted: number): string {
  if (routes.length === 0) return 'There is no MCP server in the configuration.';
  if (drifted === 0) return 'Nothing has changed.';
  return drifted === 1 ? 'One tool has changed.' : `${drifted} tools have changed.`;
}

interface RouteProps {
  readonly route: CatalogueRoute;
  readonly busy: Busy | null;
  readonly accept: (route: string, tool: string, hash: string) => Promise<void>;
}

function RouteSection({ route, busy, accept }: RouteProps) {
  const { route: name, targets, tools, drift, hidden_instructions: hidden, accepted_by: by } = route;
  const title = `route-${name}`;
  return html`
    <section class="catalogue" aria-labelledby=${title} data-route=${name}>
      <h2 id=${title}>${name}</h2>
      <p class="hint">
        A changed tool is ${drift === 'block' ? 'blocked' : 'let through and flagged'}; hidden instructions: ${hidden};
        accepted is ${by === 'config' ? 'what its tools file says' : 'what was first seen'}.
      </p>
      <ul class="targets">
        ${targets.map(
          (target) => html`
            <li key=${target.name}>
              ${target.name}: ${target.listed_at === null ? 'not asked yet' : `asked ${target.listed_at}`}
              ${target.fault !== null && html`<span class="problem"> ${target.fault}</span>`}
            </li>
          `,
        )}
      </ul>
      ${tools.filter(isDrifted).map(
        (tool) => html`
          <${ToolDiff} key=${tool.tool} route=${name} tool=${tool} fixed=${by === 'config'}
            busy=${busy?.route === name && busy.tool === tool.tool} accept=${accept} />
        `,
      )}
      <${ToolTable} tools=${tools} label=${`Tools of ${name}`} />
    </section>
  `;
}

function ToolTable({ tools, label }: { readonly tools: readonly Tool[]; readonly label: string }) {
  if (tools.length === 0) return html`<p class="hint">No tool is known.</p>`;
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table>
        <thead>
          <tr><th scope="col">tool</th><th scope="col">state</th><th scope="col">effect</th><th scope="col">what it says</th></tr>
        </thead>
        <tbody>
          ${tools.map(
            ({ tool, state, fault, effect, description, hidden }) => html`
              <tr key=${tool}>
                <th scope="row"><code>${tool}</code></th>
                <td>${state}${fault === undefined ? '' : `: ${fault}`}</td>
                <td>${effect ?? '–'}</td>
                <td>
                  ${description ?? '–'}
                  ${hidden.map(
                    ({ kind, where, excerpt }, index) => html`
                      <p class="problem" key=${index}>${kind} at <code>${where}</code>: ${excerpt}</p>
                    `,
                  )}
                </td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}
