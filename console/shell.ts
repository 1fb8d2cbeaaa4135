/**
 * What stands around every page: the header with the way to the pages, and the sign-in before any of them. A page is one
 * line in `pages`. What a reader would get wrong: a token that the gate no longer takes ends the session wherever it is
 * noticed, so that no page goes on showing what its person may not see any more.
 */
import type { ComponentType } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { addressOf, hashOf } from './address.ts';
import { type Answer, ask } from './api.ts';
import { Budgets } from './budgets.ts';
import { html } from './html.ts';
import { Playground } from './playground.ts';
import { keepToken, keptToken } from './session.ts';
import { SignInPage } from './sign-in.ts';
import { Tools } from './tools.ts';

/** Asks the admin API as whoever is signed in. */
export type Ask = <Value>(path: string, body?: string) => Promise<Answer<Value>>;

export interface PageProps {
  readonly ask: Ask;
  readonly query: URLSearchParams;
}

const pages: Readonly<Record<string, { readonly title: string; readonly page: ComponentType<PageProps> }>> = {
  playground: { title: 'Policy playground', page: Playground },
  budgets: { title: 'Budgets', page: Budgets },
  tools: { title: 'Tools', page: Tools },
};

export function Shell() {
  const [token, setToken] = useState(() => keptToken(sessionStorage));
  const [ended, setEnded] = useState<string | null>(null);
  const [address, setAddress] = useState(() => addressOf(location.hash));

  useEffect(() => {
    const follow = () => setAddress(addressOf(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);

  const signIn = useCallback((shown: string) => {
    keepToken(sessionStorage, shown);
    setEnded(null);
    setToken(shown);
  }, []);
  const signOut = useCallback((why: string | null) => {
    keepToken(sessionStorage, null);
    setEnded(why);
    setToken(null);
  }, []);
  const askAsPerson: Ask = useCallback(
    async <Value>(path: string, body?: string) => {
      const answer = await ask<Value>(token, path, body);
      if ('problem' in answer && answer.problem.status === 401) signOut('The gate does not take this token any more.');
      return answer;
    },
    [token, signOut],
  );

  const shown = pages[address.page];
  useEffect(() => {
    document.title = `${token === null ? 'Sign in' : (shown?.title ?? 'Not found')} – Tollgate console`;
  }, [token, shown]);

  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header>
      <span class="brand">Tollgate</span>
      <nav aria-label="Pages">
        ${Object.entries(pages).map(
          ([name, { title }]) => html`
            <a key=${name} href=${hashOf(name)} aria-current=${name === address.page ? 'page' : undefined}>${title}</a>
          `,
        )}
      </nav>
      ${token !== null && html`<button type="button" class="quiet" onClick=${() => signOut(null)}>Sign out</button>`}
    </header>
    <main id="main" tabindex="-1">
      ${
        token === null
          ? html`<${SignInPage} signIn=${signIn} ended=${ended} />`
          : shown === undefined
            ? html`<h1>Not found</h1><p>There is no such page of the console.</p>`
            : html`<${shown.page} key=${token} ask=${askAsPerson} query=${address.query} />`
      }
    </main>
  `;
}

/** Not by the address: what stands behind `#` is the page. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
