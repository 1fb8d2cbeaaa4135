/**
 * Where a worker thread of the SQLite sink begins: it makes the writer or the reader and answers one request after
 * the other. A file of its own because a worker starts from a file, and nothing else may import this one.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { SqliteReader } from './sqlite-reader.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import type { WorkerReply, WorkerRequest } from './worker-link.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker thread');

const { role, settings } = workerData;
const part = role === 'writer' ? new SqliteWriter(settings) : new SqliteReader(settings);
const methods = part as unknown as Record<string, (...args: unknown[]) => unknown>;

port.on('message', ({ id, method, args }: WorkerRequest) => {
  let reply: WorkerReply;
  try {
    reply = { id, value: (methods[method] as (...args: unknown[]) => unknown).apply(part, [...args]) };
  } catch (error) {
    const { name, message } = error as Error;
    reply = { id, error: { name, message } };
  }
  port.postMessage(reply);
  // After the answer, so that nobody waits for it: the commit is safe, the head may follow.
  if (method === 'write' && part instanceof SqliteWriter && !('error' in reply)) signSoon(part);
});

/** How far the signed head may be behind the store: signing it at every commit would cost more than the commit. */
const headLagMs = 50;
let signDue = false;

function signSoon(writer: SqliteWriter): void {
  if (signDue) return;
  signDue = true;
  setTimeout(() => {
    signDue = false;
    try {
      writer.signHead();
    } catch {
      // The next write signs first, and is refused if that still fails.
    }
  }, headLagMs);
}
