/** The tables of the page of budgets: what the plot shows, for everybody, and the tasks that spent most. */
import { html } from './html.ts';
import { LimitBar } from './limits.ts';
import { amountText, type Drawn, type Group, type Measure, moneyText, type TaskRow } from './spend.ts';

const kinds = ['input', 'output', 'cached_input', 'cache_write', 'reasoning'] as const;
const groupsShown = 50;

export function GroupTable({ groups, by }: { readonly groups: readonly Group[]; readonly by: string }) {
  const total = groups.reduce((sum, { cost }) => sum + cost, 0);
  if (groups.length === 0) return null;
  return html`
    <div class="wide" tabindex="0" role="region" aria-label=${`Spending by ${by}, table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">${by}</th>
            ${['cost', 'share', 'calls', 'tokens', ...kinds].map((name) => html`<th key=${name} scope="col" class="figure">${name.replace('_', ' ')}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${groups.slice(0, groupsShown).map(
            ({ name, calls, cost, tokens, kinds: of }) => html`
              <tr key=${name}>
                <th scope="row">${name}</th>
                <td class="figure">${moneyText(cost)}</td>
                <td class="figure">${total > 0 ? `${Math.round((100 * cost) / total)} %` : '–'}</td>
                <td class="figure">${calls.toLocaleString('en')}</td>
                <td class="figure">${tokens.toLocaleString('en')}</td>
                ${kinds.map((kind) => html`<td key=${kind} class="figure">${(of[kind] ?? 0).toLocaleString('en')}</td>`)}
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
    ${groups.length > groupsShown && html`<p class="hint">${groups.length - groupsShown} more are not in this table.</p>`}
  `;
}

/** The data of the plot; days on which nothing was spent are left out. */
export function DayTable({
  drawn: { days, groups, values },
  measure,
}: {
  readonly drawn: Drawn;
  readonly measure: Measure;
}) {
  const rows = days
    .map((day, index) => ({ day, bars: values[index] ?? [] }))
    .filter(({ bars }) => bars.some((value) => value > 0))
    .reverse();
  return html`
    <details class="days">
      <summary class="days-summary">By day</summary>
      <div class="wide" tabindex="0" role="region" aria-label="Spending by day, table">
        <table>
          <thead>
            <tr>
              <th scope="col">day (UTC)</th>
              ${groups.map(({ name }) => html`<th key=${name} scope="col" class="figure">${name}</th>`)}
              <th scope="col" class="figure">all</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              ({ day, bars }) => html`
                <tr key=${day}>
                  <th scope="row">${day}</th>
                  ${bars.map((value, index) => html`<td key=${index} class="figure">${amountText(value, measure)}</td>`)}
                  <td class="figure">${amountText(
                    bars.reduce((sum, value) => sum + value, 0),
                    measure,
                  )}</td>
                </tr>
              `,
            )}
          </tbody>
        </table>
      </div>
    </details>
  `;
}

export function TaskTable({ tasks }: { readonly tasks: readonly TaskRow[] }) {
  if (tasks.length === 0) return html`<p class="hint">No task fits.</p>`;
  return html`
    <div class="wide" tabindex="0" role="region" aria-label="Tasks that spent most, table">
      <table>
        <thead>
          <tr>
            ${['task', 'agent', 'purpose', 'state'].map((name) => html`<th key=${name} scope="col">${name}</th>`)}
            ${['calls', 'tokens', 'cost'].map((name) => html`<th key=${name} scope="col" class="figure">${name}</th>`)}
            <th scope="col">of its budget</th>
          </tr>
        </thead>
        <tbody>
          ${tasks.map(
            ({ task, tenant, agent, purpose, state, calls, tokens, cost_usd: cost, budget }) => html`
              <tr key=${task}>
                <th scope="row"><code>${task}</code></th>
                <td>${tenant}/${agent}</td>
                <td>${purpose}</td>
                <td>${state}</td>
                <td class="figure">${calls.toLocaleString('en')}</td>
                <td class="figure">${(tokens.total ?? 0).toLocaleString('en')}</td>
                <td class="figure">${moneyText(cost)}</td>
                <td class="bars">
                  <${LimitBar}
                    name="cost" money=${true} limit=${budget.limit.cost_usd ?? 0} spent=${budget.spent.cost_usd ?? 0}
                    reserved=${budget.reserved.cost_usd ?? 0}
                  />
                </td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}
