/** Rego as OPA's own parser reads it, file by file. What a module looks like, whoever asks for it says. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../clock.ts';
import { runOpa } from './opa.ts';
import { BundleError, type SourceFile } from './sources.ts';

const parsersMax = 4;
const saidCharsMax = 4_000;

/** How OPA is run. */
export interface OpaAccess {
  readonly opa: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface ParsedFile<Module> {
  readonly file: string;
  readonly module: Module;
}

/**
 * All Rego of `files`, parsed, with the place of every term, in their order. `folder` takes a copy of it. Throws
 * BundleError for what is no Rego.
 */
export async function parseFiles<Module>(
  access: Omit<OpaAccess, 'clock'> & { readonly clock: Pick<Clock, 'after'> },
  files: readonly SourceFile[],
  folder: string,
): Promise<readonly ParsedFile<Module>[]> {
  const sources = files.filter(({ path }) => path.endsWith('.rego'));
  const parsed: ParsedFile<Module>[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < sources.length; index = next++) {
      const { path, content } = sources[index] as SourceFile;
      if (path.split('/').includes('..')) throw new BundleError(`${path} is no Rego of the bundle: it lies outside`);
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
      // A name may begin as an option does.
      const args = ['parse', '--format', 'json', '--json-include', 'locations,-comments', `./${path}`];
      const { code, stdout, stderr } = await runOpa({ ...access, args, cwd: folder });
      if (code !== 0) throw new BundleError(`${path} is no Rego: ${(stdout || stderr).trim().slice(0, saidCharsMax)}`);
      parsed[index] = { file: path, module: JSON.parse(stdout) as Module };
    }
  };
  await Promise.all(Array.from({ length: Math.min(parsersMax, sources.length) }, work));
  return parsed;
}
