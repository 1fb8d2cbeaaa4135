/** The part of the address behind `#`: which page, and of what. It holds ids, never data of a person. */

export interface Address {
  readonly page: string;
  readonly query: URLSearchParams;
}

/** `#/playground?event=evt_…` read; the first page where there is none. */
export function addressOf(hash: string): Address {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  return { page: path === '' ? 'playground' : path, query: new URLSearchParams(query) };
}

/** The address of a page, to stand behind `#`. */
export function hashOf(page: string, query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${page}${search === '' ? '' : `?${search}`}`;
}
