/**
 * Budgets: what was spent by day and by tenant, agent, route, model or target, which tasks spent most, and how limits
 * stand. What a reader would get wrong: what is shown is what the address says, so that a link shows the same to others.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { hashOf } from './address.ts';
import type { Answer, Problem } from './api.ts';
import { html } from './html.ts';
import { Limits } from './limits.ts';
import { ProblemBox } from './problem.ts';
import type { Ask, PageProps } from './shell.ts';
import {
  countText,
  drawn,
  grouped,
  type Measure,
  measures,
  moneyText,
  type SpendGroup,
  type SpendRow,
  type Standing,
  spendGroups,
  type TaskRow,
} from './spend.ts';
import { SpendPlot } from './spend-plot.ts';
import { DayTable, GroupTable, TaskTable } from './spend-tables.ts';

interface Page<Row> {
  readonly from: string;
  readonly to: string;
  readonly rows: readonly Row[];
  readonly limits: readonly Standing[];
  readonly next_cursor: string | null;
}

interface Shown {
  readonly from: string;
  readonly to: string;
  readonly rows: readonly SpendRow[];
  readonly limits: readonly Standing[];
  readonly tasks: readonly TaskRow[];
  /** There is more than was read. */
  readonly cut: boolean;
}

const textFilters = ['tenant', 'agent', 'route', 'model'] as const;
const fields = ['from', 'to', ...textFilters, 'by', 'measure'] as const;
const pagesMax = 20;
const tasksShown = '10';

export function Budgets({ ask, query }: PageProps) {
  const by = choiceOf(query.get('by'), spendGroups, 'agent');
  const measure = choiceOf(query.get('measure'), measures, 'cost');
  const [shown, setShown] = useState<Shown | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(true);
  // An answer to what is not asked any more is not shown.
  const asked = useRef(0);
  const filters = Object.fromEntries(
    ['from', 'to', ...textFilters].flatMap((name) => (query.get(name) ? [[name, query.get(name) as string]] : [])),
  );
  const wanted = JSON.stringify({ by, filters });

  useEffect(() => {
    const mine = ++asked.current;
    setBusy(true);
    void load(ask, by, filters).then((answer) => {
      if (mine !== asked.current) return;
      setBusy(false);
      setProblem('problem' in answer ? answer.problem : null);
      setShown('value' in answer ? answer.value : null);
    });
  }, [ask, wanted]);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const said: Record<string, string> = {};
    for (const [name, value] of new FormData(event.currentTarget as HTMLFormElement)) {
      if (typeof value === 'string' && value.trim() !== '') said[name] = value.trim();
    }
    location.hash = hashOf('budgets', said);
  };

  return html`
    <h1>Budgets</h1>
    <p class="hint">What was spent, in days of UTC, and how limits stand now.</p>
    <form class="filters spend" onSubmit=${submit} aria-label="Filter spending" key=${fields.map((name) => query.get(name)).join('|')}>
      ${(['from', 'to'] as const).map(
        (name) => html`
          <div key=${name}>
            <label for=${`spend-${name}`}>${name}</label>
            <input id=${`spend-${name}`} name=${name} type="date" value=${query.get(name) ?? shown?.[name] ?? ''} />
          </div>
        `,
      )}
      ${textFilters.map(
        (name) => html`
          <div key=${name}>
            <label for=${`spend-${name}`}>${name}</label>
            <input id=${`spend-${name}`} name=${name} autocomplete="off" spellcheck=${false} value=${query.get(name) ?? ''} />
          </div>
        `,
      )}
      <${Choice} name="by" label="group by" values=${spendGroups} chosen=${by} />
      <${Choice} name="measure" label="shown as" values=${measures} chosen=${measure} />
      <button type="submit" class="main">Show</button>
    </form>
    <p role="status" class="hint">${busy ? 'Loading …' : shown === null ? '' : summaryOf(shown)}</p>
    ${problem !== null && html`<div role="alert"><${ProblemBox} problem=${problem} /></div>`}
    ${shown !== null && html`<${Overview} shown=${shown} by=${by} measure=${measure} />`}
  `;
}

function Overview({
  shown,
  by,
  measure,
}: {
  readonly shown: Shown;
  readonly by: SpendGroup;
  readonly measure: Measure;
}) {
  const { from, to, rows, limits, tasks, cut } = shown;
  const plotted = drawn(rows, { by, measure, from, to });
  return html`
    <div class="budgets" data-from=${from} data-to=${to}>
      <section class="spending" aria-labelledby="spending-title">
        <h2 id="spending-title">Spending by ${by}</h2>
        ${cut && html`<p class="problem">There is more than is shown: choose fewer days, or a tenant.</p>`}
        <${SpendPlot} drawn=${plotted} measure=${measure} title=${`${measure} by day and ${by}, ${from} to ${to}`} />
        <${GroupTable} groups=${grouped(rows, by, measure)} by=${by} />
        <${DayTable} drawn=${plotted} measure=${measure} />
      </section>
      <section aria-labelledby="limits-title">
        <h2 id="limits-title">Limits</h2>
        <p class="hint">The marks are at 50, 80 and 100 %.</p>
        <${Limits} limits=${limits} />
      </section>
      <section class="tasks" aria-labelledby="tasks-title">
        <h2 id="tasks-title">Tasks that spent most</h2>
        <p class="hint">Over their whole life, of those that lived in these days.</p>
        <${TaskTable} tasks=${tasks} />
      </section>
    </div>
  `;
}

interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly values: readonly string[];
  readonly chosen: string;
}

function Choice({ name, label, values, chosen }: ChoiceProps) {
  return html`
    <div>
      <label for=${`spend-${name}`}>${label}</label>
      <select id=${`spend-${name}`} name=${name}>
        ${values.map((value) => html`<option key=${value} value=${value} selected=${value === chosen}>${value}</option>`)}
      </select>
    </div>
  `;
}

/** Everything the page shows, page after page of the answer. */
async function load(ask: Ask, by: SpendGroup, filters: Readonly<Record<string, string>>): Promise<Answer<Shown>> {
  const rows: SpendRow[] = [];
  let first: Page<SpendRow> | null = null;
  let cursor: string | null = null;
  for (let page = 0; page < pagesMax && (page === 0 || cursor !== null); page++) {
    const query = new URLSearchParams({
      ...filters,
      by: `day,${by}`,
      limit: '1000',
      ...(cursor === null ? {} : { cursor }),
    });
    const answer: Answer<Page<SpendRow>> = await ask<Page<SpendRow>>(`/budgets?${query}`);
    if ('problem' in answer) return answer;
    first ??= answer.value;
    rows.push(...answer.value.rows);
    cursor = answer.value.next_cursor;
  }
  const { route: _route, model: _model, ...ofTasks } = filters;
  const tasks = await ask<Page<TaskRow>>(
    `/budgets?${new URLSearchParams({ ...ofTasks, by: 'task', limit: tasksShown })}`,
  );
  if ('problem' in tasks) return tasks;
  const { from = '', to = '', limits = [] } = first ?? {};
  return { value: { from, to, rows, limits, tasks: tasks.value.rows, cut: cursor !== null } };
}

function summaryOf({ from, to, rows }: Shown): string {
  let [cost, calls, tokens] = [0, 0, 0];
  for (const row of rows) {
    cost += row.cost_usd;
    calls += row.calls;
    tokens += row.tokens.total ?? 0;
  }
  const days = from === to ? `on ${from}` : `from ${from} to ${to}`;
  if (calls === 0) return `Nothing was spent ${days}.`;
  return `${moneyText(cost)} for ${countText(calls, 'call')} and ${countText(tokens, 'token')} ${days}.`;
}

function choiceOf<Value extends string>(text: string | null, values: readonly Value[], standard: Value): Value {
  return values.find((value) => value === text) ?? standard;
}
