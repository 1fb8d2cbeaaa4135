/**
 * A reporter for node:test that writes one JSON line a finished leaf test, for scripts/test.ts to count. A leaf is a
 * test with no tests in it; suites are not counted, but a suite that was skipped, or failed by itself, is.
 */
import type { TestEvent } from 'node:test/reporters';

export interface LeafResult {
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** Absolute path of the file it stands in, where the runner knows it. */
  readonly file?: string;
  /** Names from the outermost suite inwards. */
  readonly path: readonly string[];
  /** Why it was skipped, or what failed. */
  readonly text: string;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : error;
  return cause.stack ?? cause.message;
}

export default async function* leaves(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  // Verdicts of the children come before that of their parent, so a parent knows by its depth that it is one.
  const names: string[] = [];
  let deepestOpen = -1;
  for await (const event of source) {
    if (event.type === 'test:start') {
      names.length = event.data.nesting;
      names[event.data.nesting] = event.data.name;
      continue;
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { nesting, name, details, skip, todo, file } = event.data;
    const isParent = deepestOpen > nesting;
    deepestOpen = nesting;
    const error = event.type === 'test:fail' ? event.data.details.error : undefined;
    const skipped =
      skip !== undefined && skip !== false ? skip : todo !== undefined && todo !== false ? todo : undefined;
    const onlyChildrenFailed = (error as { failureType?: string } | undefined)?.failureType === 'subtestsFailed';
    if (
      isParent
        ? error === undefined || onlyChildrenFailed
        : details.type === 'suite' && error === undefined && skipped === undefined
    ) {
      continue;
    }
    const outcome = skipped !== undefined ? 'skipped' : error === undefined ? 'passed' : 'failed';
    const text =
      skipped !== undefined ? (skipped === true ? '' : String(skipped)) : error === undefined ? '' : textOf(error);
    const place = file === undefined ? {} : { file };
    const leaf: LeafResult = { outcome, ...place, path: [...names.slice(0, nesting), name], text };
    yield `${JSON.stringify(leaf)}\n`;
  }
}
