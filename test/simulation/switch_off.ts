/**
 * Preloaded into a child: hands it one source file in another version than the one on disk. The version stands in the
 * file that `TOLLGATE_SWITCHED_OFF` names: the path of the source, a line feed, and its text.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const handed = readFileSync(process.env.TOLLGATE_SWITCHED_OFF as string, 'utf8');
const end = handed.indexOf('\n');
const changed = pathToFileURL(handed.slice(0, end)).href;

registerHooks({
  load: (url, context, next) => {
    const loaded = next(url, context);
    return url === changed ? { ...loaded, source: handed.slice(end + 1) } : loaded;
  },
});
