/**
 * Where the thread that parses a large YAML document begins: it takes seconds, in one piece. A file of its own because a
 * worker starts from a file, and nothing else may import this one.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { parse } from 'yaml';

let parsed: { readonly value: unknown } | { readonly message: string };
try {
  parsed = { value: parse(String(workerData), { maxAliasCount: 100 }) };
} catch (fault) {
  parsed = { message: (fault as Error).message.split('\n')[0] as string };
}
parentPort?.postMessage(parsed);
