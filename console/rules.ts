/** The rules that were reached, by what came of them; each opens to its source. */
import type { Rule, Side } from './api.ts';
import { html } from './html.ts';

const outcomes = [
  { outcome: 'fired', title: 'Fired', open: true },
  { outcome: 'tried', title: 'Tried, did not hold', open: false },
  { outcome: 'untouched', title: 'Not asked', open: false },
] as const;

export function Rules({ side }: { readonly side: Side }) {
  const { rules, rules_unavailable: unavailable, rules_cut: cut, compared } = side;
  if (unavailable !== undefined) return html`<p class="hint">The rules cannot be shown: ${unavailable}</p>`;
  if (rules === undefined) return null;
  return html`
    <h4>Rules</h4>
    ${
      compared === false &&
      html`<p class="hint">
        The bundle holds no source of its decision rule, so each rule of the package was asked, and the decision was not
        compared.
      </p>`
    }
    ${cut === true && html`<p class="hint">There are more rules than are shown.</p>`}
    ${outcomes.map(({ outcome, title, open }) => {
      const own = rules.filter((rule) => rule.outcome === outcome);
      return html`
        <details key=${outcome} class=${`outcome ${outcome}`} open=${open && own.length > 0}>
          <summary>${title} (${own.length})</summary>
          <ul>
            ${own.map((rule) => html`<${RuleLine} key=${`${rule.file}:${rule.line}`} rule=${rule} />`)}
          </ul>
        </details>
      `;
    })}
  `;
}

function RuleLine({ rule }: { readonly rule: Rule }) {
  const lines = rule.text.split('\n');
  return html`
    <li>
      <details class="rule">
        <summary>
          <code>${rule.package}.${rule.name}</code>
          ${rule.kind !== 'rule' && html`<span class="kind">${rule.kind}</span>`}
          <span class="where">${rule.file}:${rule.line}</span>
        </summary>
        <pre tabindex="0" aria-label=${`Source of ${rule.name}`}>${lines.map(
          (line, index) =>
            html`<span key=${index} class="line"><span class="number" aria-hidden="true">${rule.line + index}</span>${line}${'\n'}</span>`,
        )}</pre>
      </details>
    </li>
  `;
}
