/**
 * Takes the token of a person and asks the gate whether it is one. A gate with `admin` in its configuration takes access
 * tokens of an issuer; the page says of which, and the person brings one: it starts no sign-in at the issuer itself.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, type Problem, type SignIn } from './api.ts';
import { html } from './html.ts';

interface Props {
  readonly signIn: (token: string) => void;
  /** Why the session before this ended, if it did not end by itself. */
  readonly ended: string | null;
}

export function SignInPage({ signIn, ended }: Props) {
  const [way, setWay] = useState<SignIn | null>(null);
  const [said, setSaid] = useState(ended ?? '');
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    field.current?.focus();
    void ask<SignIn>(null, 'sign-in.json').then((answer) => setWay('value' in answer ? answer.value : null));
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    const token = field.current?.value.trim() ?? '';
    if (!/^[\x21-\x7e]+$/.test(token)) {
      setSaid('Paste a token: one line, without spaces.');
      field.current?.focus();
      return;
    }
    setBusy(true);
    const answer = await ask<unknown>(token, '/policy/inputs?limit=1');
    setBusy(false);
    if ('value' in answer || answer.problem.status === 403) return signIn(token);
    setSaid(refusal(answer.problem));
    field.current?.select();
  };

  return html`
    <form class="sign-in" onSubmit=${submit}>
      <h1>Sign in</h1>
      <label for="token">${way?.way === 'oidc' ? 'Access token' : 'Admin token'}</label>
      <p id="token-help" class="hint">${help(way)}</p>
      <input
        ref=${field} id="token" type="password" autocomplete="off" spellcheck=${false}
        aria-describedby="token-help sign-in-said" required
      />
      <p id="sign-in-said" class="fault" role="alert">${said}</p>
      <button type="submit" disabled=${busy}>Sign in</button>
    </form>
  `;
}

function help(way: SignIn | null): unknown {
  if (way === null) return 'A token of the admin plane.';
  if (way.way === 'admin_token') return 'The content of the file admin-token in the data folder of the gate.';
  return html`
    An access token of <code>${way.issuer}</code> for the audience <code>${way.audience}</code>, from your usual client.
    The console does not start the sign-in at the issuer.
  `;
}

function refusal({ status, message, reasons }: Problem): string {
  if (status === 401) return 'The gate does not take this token.';
  return [message, ...reasons.map((reason) => reason.message)].join(' ');
}
