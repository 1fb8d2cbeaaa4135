/**
 * The policy playground: an input that was recorded, or one that somebody wrote, and what the policies that are loaded
 * say of it. What a reader would get wrong: the text goes to the gate as it stands in the editor, so that the gate
 * judges what was written and not what this page made of it.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { hashOf } from './address.ts';
import type { Phase, Problem, RecordedInput, Side } from './api.ts';
import { Editor } from './editor.ts';
import { example } from './example.ts';
import { html } from './html.ts';
import { ProblemBox } from './problem.ts';
import { RecordedList } from './recorded-list.ts';
import { Result } from './result.ts';
import type { PageProps } from './shell.ts';

interface Written {
  readonly phase: Phase;
  readonly text: string;
}

function exampleOf(phase: Phase): Written {
  return { phase, text: JSON.stringify(example(phase), null, 2) };
}

export function Playground({ ask, query }: PageProps) {
  const event = query.get('event');
  const [written, setWritten] = useState<Written>(() => exampleOf('call'));
  const [recorded, setRecorded] = useState<RecordedInput | null>(null);
  const [original, setOriginal] = useState('');
  const [sides, setSides] = useState<readonly Side[]>([]);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const results = useRef<HTMLElement>(null);
  // An answer to what is not asked any more is not shown.
  const asked = useRef(0);

  useEffect(() => {
    if (event === null) return;
    const mine = ++asked.current;
    void ask<RecordedInput>(`/policy/inputs/${encodeURIComponent(event)}`).then((answer) => {
      if (mine !== asked.current) return;
      setBusy(false);
      setSides([]);
      if ('problem' in answer) {
        setRecorded(null);
        setProblem(answer.problem);
        return;
      }
      const text = JSON.stringify(answer.value.input, null, 2);
      setProblem(null);
      setRecorded(answer.value);
      setOriginal(text);
      setWritten({ phase: answer.value.phase, text });
    });
  }, [event, ask]);

  const evaluate = useCallback(async () => {
    const mine = ++asked.current;
    setBusy(true);
    const body = `{"phase":${JSON.stringify(written.phase)},"explain":true,"input":${written.text}}`;
    const answer = await ask<{ readonly sides: readonly Side[] }>('/policy/evaluate', body);
    if (mine !== asked.current) return;
    setBusy(false);
    setProblem('problem' in answer ? answer.problem : null);
    setSides('value' in answer ? answer.value.sides : []);
    results.current?.scrollIntoView({ block: 'nearest' });
  }, [ask, written]);

  return html`
    <h1>Policy playground</h1>
    <p class="hint">What the loaded policies say of an input. Nothing is decided by it, and nothing is called.</p>
    <div class="playground">
      <${RecordedList} ask=${ask} picked=${event} />
      <div class="work">
        <${Editor}
          phase=${written.phase} text=${written.text} busy=${busy}
          change=${setWritten} evaluate=${() => void evaluate()}
          example=${() => {
            setRecorded(null);
            setSides([]);
            setProblem(null);
            location.hash = hashOf('playground');
            setWritten(exampleOf(written.phase));
          }}
        />
        <section class="results" ref=${results} aria-labelledby="results-title" aria-busy=${busy}>
          <h2 id="results-title">Decision</h2>
          ${problem !== null && html`<div role="alert"><${ProblemBox} problem=${problem} /></div>`}
          <${Result} sides=${sides} recorded=${recorded} edited=${recorded !== null && written.text !== original} />
        </section>
      </div>
    </div>
  `;
}
