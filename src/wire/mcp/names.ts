/**
 * Names where the tools, prompts and resources of many routes stand in one list (`/mcp`): `{route}__{name}`, and
 * `tollgate:{route}/{uri}`. What a reader would get wrong: a name is never taken apart where it stands for a tool, it is
 * looked up: long names and those that models cannot say are shortened by a digest, so that no two are one.
 */
import { createHash } from 'node:crypto';

const separator = '__';
/** The longest name that every model can say as the name of a function. */
const nameCharsMax = 64;
const digestChars = 12;
const plainName = /^[A-Za-z0-9_.-]+$/;
/** The look of a shortened name, which no other may have. */
const shortened = new RegExp(`_[0-9a-f]{${digestChars}}$`);
const uriPrefix = 'tollgate:';
const resultPrefix = 'tollgate:result:';

/** Whether a route can stand before a name: else two routes could make one name of it. */
export function isAggregable(route: string): boolean {
  return !route.includes(separator) && !route.endsWith('_');
}

/** The name of a tool or prompt of a route among those of all routes; at most 64 ASCII letters, digits and `_ . -`. */
export function aggregatedName(route: string, name: string): string {
  const whole = `${route}${separator}${name}`;
  if (whole.length <= nameCharsMax && plainName.test(name) && !shortened.test(name)) return whole;
  const digest = createHash('sha256').update(`${route}\0${name}`).digest('hex').slice(0, digestChars);
  const head = `${route}${separator}${name.replaceAll(/[^A-Za-z0-9_.-]+/g, '_')}`;
  // A long route leaves no room for the name: then the digest alone says which it is.
  return `${head.slice(0, nameCharsMax - digestChars - 1)}_${digest}`;
}

/** Whether a name was shortened: then it is found by comparing, and not by taking it apart. */
export function isShortened(name: string): boolean {
  return shortened.test(name);
}

/** What a name of many routes holds that was not shortened; undefined for what is none. */
export function readAggregatedName(text: string): { readonly route: string; readonly name: string } | undefined {
  // A route holds no separator and does not end in half of one, so the first is the one that was put there.
  const at = text.indexOf(separator);
  if (at < 1 || at + separator.length === text.length) return undefined;
  return { route: text.slice(0, at), name: text.slice(at + separator.length) };
}

/** The name of a prompt among those of all routes. Models do not say it, so it is never shortened. */
export function aggregatedPrompt(route: string, name: string): string {
  return `${route}${separator}${name}`;
}

/** The URI of a resource of a route, or the template of one, among those of all routes. */
export function aggregatedUri(route: string, uri: string): string {
  return `${uriPrefix}${route}/${uri}`;
}

/** The rest of a result that was too long, as a resource of the gate. It is none of any route, whose URIs have a slash. */
export function resultUri(cursor: string): string {
  return `${resultPrefix}${cursor}`;
}

/** The cursor in such a URI; undefined for any other. */
export function readResultUri(text: unknown): string | undefined {
  return typeof text === 'string' && text.startsWith(resultPrefix) ? text.slice(resultPrefix.length) : undefined;
}

/** The route and the URI at its server of an aggregated URI; undefined for what is none. */
export function readAggregatedUri(text: string): { readonly route: string; readonly uri: string } | undefined {
  const read = /^tollgate:([a-z0-9_-]{1,64})\/(.+)$/s.exec(text);
  return read === null ? undefined : { route: read[1] as string, uri: read[2] as string };
}
