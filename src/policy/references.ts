/**
 * Which members of the input the rules of a bundle refer to, by OPA's own account of what an entry point depends on:
 * through functions, other packages, `walk` and variables. What a reader would get wrong: only what is understood
 * counts as unused; where OPA says nothing, or says it in words that are not known here, everything is used.
 */
import type { Clock } from '../clock.ts';
import { type InputPart, inputParts } from './input-parts.ts';
import { runOpa } from './opa.ts';

/** Packages whose input has the parts; that of `tollgate.task` is small, and always whole. */
const packages: readonly string[] = ['tollgate/call/', 'tollgate/response/'];
/** Its input is the event of a decision, which holds the input of the decision as `input`. */
const ofEvents = 'system/log/';

export interface ReferencesOptions {
  readonly opa: string;
  /** Sources as OPA reads them with `-b`. */
  readonly folder: string;
  /** As `opa build -e` takes them. */
  readonly entrypoints: readonly string[];
  readonly clock: Pick<Clock, 'after'>;
  readonly signal: AbortSignal;
}

/**
 * The parts of the input that no entry point for calls and answers refers to, sorted by name. Never throws for what the
 * sources are: what does not compile is said by the build.
 */
export async function unusedInput({ entrypoints, ...run }: ReferencesOptions): Promise<InputPart[]> {
  const asked = entrypoints.filter((name) => [...packages, ofEvents].some((start) => name.startsWith(start)));
  if (asked.length === 0) return [];
  const used = await Promise.all(asked.map((entrypoint) => inputPathsOf(entrypoint, run)));
  return inputParts.filter((part) => !used.some((paths) => paths === 'unknown' || uses(paths, part.split('.')))).sort();
}

type Paths = readonly (readonly string[])[];

/** Whether one of `paths` is the part, lies below it, or holds it. */
function uses(paths: Paths, part: readonly string[]): boolean {
  return paths.some((path) => part.every((name, index) => index >= path.length || path[index] === name));
}

async function inputPathsOf(
  entrypoint: string,
  { opa, folder, clock, signal }: Omit<ReferencesOptions, 'entrypoints'>,
): Promise<Paths | 'unknown'> {
  const query = `data.${entrypoint.replaceAll('/', '.')}`;
  const args = ['deps', '-f', 'json', '-b', '.', query];
  const { code, stdout } = await runOpa({ opa, args, cwd: folder, clock, signal });
  const paths = code === 0 ? inputPaths(stdout) : 'unknown';
  return paths === 'unknown' || !entrypoint.startsWith(ofEvents) ? paths : withinEvent(paths);
}

/** Paths into an event as paths into the input that it tells of. */
function withinEvent(paths: Paths): Paths {
  return paths.flatMap(([member, ...path]) => (member === undefined || member === 'input' ? [path] : []));
}

/** The paths below `input` in what `opa deps -f json` printed; a path ends before its first step that is no text. */
export function inputPaths(printed: string): Paths | 'unknown' {
  let told: unknown;
  try {
    told = JSON.parse(printed);
  } catch {
    return 'unknown';
  }
  const { base, virtual } = (told ?? {}) as { base?: unknown; virtual?: unknown };
  // An entry point depends on itself: an account without any rule is none.
  if (!Array.isArray(virtual) || virtual.length === 0) return 'unknown';
  if (base === null || base === undefined) return [];
  if (!Array.isArray(base)) return 'unknown';
  const paths: string[][] = [];
  for (const reference of base as readonly unknown[]) {
    if (!Array.isArray(reference)) return 'unknown';
    const [root, ...steps] = reference as readonly ({ type?: unknown; value?: unknown } | null)[];
    if (root?.type !== 'var' || typeof root.value !== 'string') return 'unknown';
    if (root.value === 'data') continue;
    if (root.value !== 'input') return 'unknown';
    const end = steps.findIndex((step) => step?.type !== 'string');
    paths.push((end === -1 ? steps : steps.slice(0, end)).map((step) => step?.value as string));
  }
  return paths;
}
