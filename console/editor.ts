/** The input that is evaluated: its phase, its text, and where the text is no JSON. Ctrl+Enter evaluates. */
import { useRef } from 'preact/hooks';
import { type Phase, phases } from './api.ts';
import { html } from './html.ts';
import { jsonFault } from './json-fault.ts';

interface Props {
  readonly phase: Phase;
  readonly text: string;
  readonly busy: boolean;
  readonly change: (next: { readonly phase: Phase; readonly text: string }) => void;
  readonly evaluate: () => void;
  /** Puts an example of the phase in. */
  readonly example: () => void;
}

export function Editor({ phase, text, busy, change, evaluate, example }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const fault = text.trim() === '' ? null : jsonFault(text);

  const goToFault = () => {
    const field = area.current;
    if (field === null || fault === null) return;
    field.focus();
    field.setSelectionRange(fault.offset, Math.min(fault.offset + 1, text.length));
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (fault === null && text.trim() !== '') evaluate();
    else goToFault();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit(event);
  };

  return html`
    <form class="editor" aria-labelledby="editor-title" onSubmit=${submit}>
      <h2 id="editor-title">Input</h2>
      <fieldset class="phases">
        <legend>Phase</legend>
        ${phases.map(
          (one) => html`
            <label key=${one}>
              <input
                type="radio" name="phase" value=${one} checked=${one === phase}
                onChange=${() => change({ phase: one, text })}
              />
              ${one}
            </label>
          `,
        )}
      </fieldset>
      <label for="input">The document that the policy sees, as JSON</label>
      <textarea
        ref=${area} id="input" rows="22" spellcheck=${false} autocomplete="off" wrap="off"
        aria-invalid=${fault !== null} aria-describedby="input-fault"
        value=${text} onKeyDown=${onKey}
        onInput=${(event: InputEvent) => change({ phase, text: (event.currentTarget as HTMLTextAreaElement).value })}
      ></textarea>
      <p id="input-fault" class="fault" aria-live="polite">
        ${
          fault !== null &&
          html`Line ${fault.line}, column ${fault.column}: ${fault.message}.
          ${' '}<button type="button" class="quiet" onClick=${goToFault}>Go there</button>`
        }
      </p>
      <div class="buttons">
        <button type="submit" class="main" disabled=${busy || fault !== null || text.trim() === ''}>Evaluate</button>
        <button
          type="button" disabled=${fault !== null || text.trim() === ''}
          onClick=${() => change({ phase, text: JSON.stringify(JSON.parse(text), null, 2) })}
        >
          Format
        </button>
        <button type="button" onClick=${example}>New from an example</button>
        <span class="hint">Ctrl+Enter evaluates</span>
      </div>
    </form>
  `;
}
