/** The decisions of the trail that have a recorded input, newest first, with filters and pages. */
import { useCallback, useEffect, useState } from 'preact/hooks';
import { hashOf } from './address.ts';
import { type Problem, phases, type RecordedRow } from './api.ts';
import { html } from './html.ts';
import { ProblemBox } from './problem.ts';
import type { Ask } from './shell.ts';

interface Page {
  readonly inputs: readonly RecordedRow[];
  readonly next_cursor: string | null;
}

const textFilters = ['operation', 'agent', 'task'] as const;
const choices = [
  ['phase', phases],
  ['decision', ['allow', 'deny']],
] as const;
const pageSize = '25';

interface Props {
  readonly ask: Ask;
  /** The event whose input is in the editor. */
  readonly picked: string | null;
}

export function RecordedList({ ask, picked }: Props) {
  const [filter, setFilter] = useState<Readonly<Record<string, string>>>({});
  const [rows, setRows] = useState<readonly RecordedRow[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [said, setSaid] = useState('');

  const load = useCallback(
    async (wanted: Readonly<Record<string, string>>, after: string | null, before: readonly RecordedRow[]) => {
      setSaid('Loading …');
      const query = new URLSearchParams({ limit: pageSize, ...wanted, ...(after === null ? {} : { cursor: after }) });
      const answer = await ask<Page>(`/policy/inputs?${query}`);
      if ('problem' in answer) {
        setProblem(answer.problem);
        setSaid('');
        return;
      }
      const { inputs, next_cursor: next } = answer.value;
      const all = [...before, ...inputs];
      setProblem(null);
      setRows(all);
      setCursor(next);
      setSaid(
        all.length === 0 ? 'No recorded input fits.' : `${all.length} shown${next === null ? ', that is all' : ''}.`,
      );
    },
    [ask],
  );
  useEffect(() => {
    void load({}, null, []);
  }, [load]);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const wanted: Record<string, string> = {};
    for (const [name, value] of form) if (typeof value === 'string' && value.trim() !== '') wanted[name] = value.trim();
    setFilter(wanted);
    void load(wanted, null, []);
  };

  return html`
    <section class="recorded" aria-labelledby="recorded-title">
      <h2 id="recorded-title">Recorded inputs</h2>
      <form class="filters" onSubmit=${submit} aria-label="Filter recorded inputs">
        ${textFilters.map(
          (name) => html`
            <div key=${name}>
              <label for=${`filter-${name}`}>${name}</label>
              <input id=${`filter-${name}`} name=${name} autocomplete="off" spellcheck=${false} />
            </div>
          `,
        )}
        ${choices.map(
          ([name, values]) => html`
            <div key=${name}>
              <label for=${`filter-${name}`}>${name}</label>
              <select id=${`filter-${name}`} name=${name}>
                <option value="">any</option>
                ${values.map((value) => html`<option key=${value} value=${value}>${value}</option>`)}
              </select>
            </div>
          `,
        )}
        <button type="submit">Filter</button>
      </form>
      <p role="status" class="hint">${said}</p>
      ${problem !== null && html`<${ProblemBox} problem=${problem} />`}
      <ul class="rows">
        ${rows.map(
          (row) => html`
            <li key=${row.event}>
              <a
                href=${hashOf('playground', { event: row.event })}
                aria-current=${row.event === picked ? 'true' : undefined}
              >
                <span class=${`verdict ${row.allow === false ? 'deny' : 'allow'}`}>
                  ${row.allow === false ? 'deny' : 'allow'}
                </span>
                <span class="what">${row.operation ?? row.phase}</span>
                <span class="who">${row.phase}, ${row.agent ?? 'no agent'}</span>
                <span class="codes">${row.codes.join(', ')}</span>
                <time datetime=${row.time}>${row.time.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')}</time>
              </a>
            </li>
          `,
        )}
      </ul>
      ${
        cursor !== null &&
        html`<button type="button" onClick=${() => void load(filter, cursor, rows)}>Show older</button>`
      }
    </section>
  `;
}
