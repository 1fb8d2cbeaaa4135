/** What has changed of one tool, member by member, and the button that accepts exactly what is shown. */
import { html } from './html.ts';
import type { Tool } from './tool-document.ts';

interface ToolDiffProps {
  readonly route: string;
  readonly tool: Tool;
  /** The configuration decides: nothing is accepted here. */
  readonly fixed: boolean;
  readonly busy: boolean;
  readonly accept: (route: string, tool: string, hash: string) => Promise<void>;
}

export function ToolDiff({ route, tool, fixed, busy, accept }: ToolDiffProps) {
  const { tool: name, state, accepted, found } = tool;
  return html`
    <article class="drift" data-tool=${name} aria-label=${`Change of ${name}`}>
      <h3>${name} <span class="state">${state}</span></h3>
      <p class="hint">Accepted: <code>${accepted?.hash}</code> by ${accepted?.by}${accepted?.at === null ? '' : `, ${accepted?.at}`}</p>
      ${found.map(
        ({ hash, targets, changes }) => html`
          <div key=${hash} class="found">
            <p>Found at ${targets.join(', ')}: <code>${hash}</code></p>
            ${changes.length === 0 && html`<p class="problem">What was accepted is not known any more.</p>`}
            ${changes.map(
              ({ where, before, after }) => html`
                <div key=${where} class="change">
                  <p><code>${where}</code></p>
                  ${before !== null && html`<pre class="before"><del>${before}</del></pre>`}
                  ${after !== null && html`<pre class="after"><ins>${after}</ins></pre>`}
                </div>
              `,
            )}
            ${
              fixed
                ? html`<p class="hint">The tools file of the route decides what is accepted.</p>`
                : html`
                    <button type="button" class="main" disabled=${busy} onClick=${() => void accept(route, name, hash)}>
                      ${busy ? 'Accepting …' : `Accept this definition of ${name}`}
                    </button>
                  `
            }
          </div>
        `,
      )}
    </article>
  `;
}
