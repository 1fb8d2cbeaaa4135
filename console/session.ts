/**
 * The token of the person at this tab: in memory, and in the session storage of the tab so that a reload keeps it. Never
 * in a cookie, which a browser would send by itself, and never where another tab sees it.
 */

const storageKey = 'tollgate.admin-token';

/** The token that this tab has kept, or null. */
export function keptToken(storage: Storage): string | null {
  return storage.getItem(storageKey);
}

/** Keeps a token for this tab; null forgets it. */
export function keepToken(storage: Storage, token: string | null): void {
  if (token === null) storage.removeItem(storageKey);
  else storage.setItem(storageKey, token);
}
