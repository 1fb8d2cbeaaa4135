/** A refusal of the gate as people read it: what, and each reason with its place. */
import type { Problem } from './api.ts';
import { html } from './html.ts';

export function ProblemBox({ problem }: { readonly problem: Problem }) {
  const { message, code, reasons } = problem;
  return html`
    <div class="problem">
      <p><strong>${message}</strong> <code>${code}</code></p>
      ${
        reasons.length > 0 &&
        html`<ul>
          ${reasons.map(
            (reason, index) =>
              html`<li key=${index}>${reason.path !== undefined && html`<code>${reason.path || '/'}</code> `}${reason.message}</li>`,
          )}
        </ul>`
      }
    </div>
  `;
}
