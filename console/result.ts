/** What was decided: the active policies and the candidate side by side, with what is different between them marked. */
import type { RecordedInput, Said, Side } from './api.ts';
import { alike, markedObligations, markedReasons } from './comparison.ts';
import { html } from './html.ts';
import { Rules } from './rules.ts';

interface Props {
  readonly sides: readonly Side[];
  /** What was recorded of the input in the editor, where it came from the trail. */
  readonly recorded: RecordedInput | null;
  /** It was changed since. */
  readonly edited: boolean;
}

/** One sentence for who does not see the columns. */
function summaryOf(sides: readonly Side[]): string {
  const said = sides.map(({ side, decision }) => {
    const codes = decision.reasons.map(({ code }) => code).join(', ');
    return `${side === 'active' ? 'Active' : 'Candidate'}: ${verdictOf(decision)}${codes === '' ? '' : ` (${codes})`}`;
  });
  const [active, candidate] = sides;
  const differ = active !== undefined && candidate !== undefined && !alike(active.decision, candidate.decision);
  return `${said.join('. ')}.${differ ? ' The two differ.' : ''}`;
}

function verdictOf({ allow }: Pick<Said, 'allow'>): string {
  return allow ? 'allow' : 'deny';
}

export function Result({ sides, recorded, edited }: Props) {
  const [active, candidate] = sides;
  return html`
    <p role="status" class=${sides.length > 0 ? 'summary' : 'hint'}>
      ${sides.length > 0 ? summaryOf(sides) : 'Nothing has been evaluated yet.'}
    </p>
    ${recorded !== null && html`<${Recorded} recorded=${recorded} edited=${edited} />`}
    <div class="sides">
      ${active !== undefined && html`<${SideColumn} side=${active} other=${candidate?.decision ?? null} />`}
      ${candidate !== undefined && html`<${SideColumn} side=${candidate} other=${active?.decision ?? null} />`}
      ${
        active !== undefined &&
        candidate === undefined &&
        html`<section class="side none"><h3>Candidate</h3><p class="hint">No candidate is loaded.</p></section>`
      }
    </div>
  `;
}

function Recorded({ recorded, edited }: { readonly recorded: RecordedInput; readonly edited: boolean }) {
  const { recorded: said, time, left_out: leftOut, redacted } = recorded;
  const codes = (said?.reasons ?? []).map(({ code }) => code).join(', ');
  return html`
    <div class="then">
      <p>
        Recorded ${time}: <strong>${said?.allow === true ? 'allow' : 'deny'}</strong>
        ${codes !== '' && html` <code>${codes}</code>`} by revision <code>${short(said?.revision ?? 'none')}</code>.
        ${edited && ' The input was edited since.'}
      </p>
      ${
        redacted &&
        html`<p class="hint">Personal data was taken out of it when it was recorded: rules that look at that may decide otherwise.</p>`
      }
      ${
        leftOut.length > 0 &&
        html`<p class="hint">Not recorded, since no rule looked at it then: <code>${leftOut.join(', ')}</code>.</p>`
      }
    </div>
  `;
}

function SideColumn({ side, other }: { readonly side: Side; readonly other: Said | null }) {
  const { decision, bundle, revision, wanting, mismatch, opa_decision: opa } = side;
  const title = side.side === 'active' ? 'Active' : 'Candidate';
  const reasons = markedReasons(decision, other);
  const obligations = markedObligations(decision, other);
  const turned = other !== null && other.allow !== decision.allow;
  return html`
    <section class="side" data-side=${side.side} aria-labelledby=${`side-${side.side}`}>
      <h3 id=${`side-${side.side}`}>${title}</h3>
      <p class="origin">${bundle} <code title=${revision}>${short(revision)}</code></p>
      <p class=${`verdict ${verdictOf(decision)}${turned ? ' differs' : ''}`}>
        ${verdictOf(decision)} ${turned && html`<${Differs} />`}
      </p>
      ${
        wanting.length > 0 &&
        html`<p class="problem">
          Rules of this side look at what is not in the input: <code>${wanting.join(', ')}</code>. Do not rest on this decision.
        </p>`
      }
      ${
        mismatch === true &&
        html`<div class="problem" role="alert">
          <strong>OPA decides otherwise than the compiled module.</strong> The gate acts on the compiled module. OPA says:
          <pre>${JSON.stringify(opa, null, 2)}</pre>
        </div>`
      }
      <h4>Reasons</h4>
      ${reasons.length === 0 && html`<p class="hint">None.</p>`}
      <ul class="reasons">
        ${reasons.map(
          ({ item: { code, message, path }, differs }, index) => html`
            <li key=${index} class=${differs ? 'differs' : ''}>
              <code>${code}</code> ${message} ${path !== undefined && html`<code>${path}</code>`}
              ${differs && html`<${Differs} />`}
            </li>
          `,
        )}
      </ul>
      <h4>Obligations</h4>
      ${obligations.length === 0 && html`<p class="hint">None.</p>`}
      <dl class="obligations">
        ${obligations.map(
          ({ item: [name, value], differs }) => html`
            <div key=${name} class=${differs ? 'differs' : ''}>
              <dt><code>${name}</code> ${differs && html`<${Differs} />`}</dt>
              <dd><pre>${JSON.stringify(value, null, 2)}</pre></dd>
            </div>
          `,
        )}
      </dl>
      ${
        decision.grant !== undefined &&
        html`<h4>Grant</h4>
          <pre>${JSON.stringify(decision.grant, null, 2)}</pre>`
      }
      <${Rules} side=${side} />
    </section>
  `;
}

function Differs() {
  return html`<span class="mark">differs</span>`;
}

function short(revision: string): string {
  return /^[0-9a-f]{40,}$/.test(revision) ? revision.slice(0, 12) : revision;
}
