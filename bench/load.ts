/**
 * A program: keep-alive connections over loopback, each of which makes the calls of one task after the other. The load
 * is bounded by its count, and by a time after which the run counts as broken. Every answer is looked at: its status,
 * and that it came to its proper end.
 */
import { Client } from 'undici';
import type { LoadQuestion, Ran, Ready, Run } from './messages.ts';
import { bytesMin, customer, type Workload, workloads } from './workloads.ts';

const openersMax = 8;
/** Of an answer that should not have come. */
const beginMax = 400;

interface Answered {
  readonly status: number;
  readonly begin: string;
  readonly bytes: number;
  readonly tail: string;
  readonly firstByteUs: number;
  readonly wholeUs: number;
}

/** Goes up over all runs, so that no two requests of this program are equal. */
let serial = 0;

function call(client: Client, { method, path, body, status: expected }: Workload, token: string): Promise<Answered> {
  serial++;
  const payload = body(serial);
  const startMs = performance.now();
  const sinceStartUs = () => (performance.now() - startMs) * 1000;
  let status = 0;
  let firstByteUs = 0;
  let begin = '';
  let bytes = 0;
  let last: Buffer = Buffer.alloc(0);
  const headers: Record<string, string> = {
    ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    ...(payload === null ? {} : { 'content-type': 'application/json' }),
  };
  return new Promise((resolve, reject) => {
    client.dispatch(
      { method, path: path(serial), headers, body: payload },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, statusCode) => {
          status = statusCode;
        },
        onResponseData: (_controller, chunk) => {
          bytes += chunk.length;
          if (firstByteUs === 0) {
            firstByteUs = sinceStartUs();
            if (status !== expected) begin = chunk.toString('latin1', 0, beginMax);
          }
          last = chunk.length >= 32 ? chunk : Buffer.concat([last.subarray(-32), chunk]);
        },
        onResponseEnd: () =>
          resolve({
            status,
            begin,
            bytes,
            tail: last.subarray(-32).toString('latin1'),
            firstByteUs,
            wholeUs: sinceStartUs(),
          }),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}

async function run({ workload: name, url, tokens, callsPerTask, connections, msMax }: Run): Promise<Ran> {
  const workload = workloads[name];
  const leastBytes = bytesMin(name);
  const waiting = [...tokens];
  const firsts: number[] = [];
  const wholes: number[] = [];
  const faults: Record<string, number> = {};
  let sample = '';
  const fault = (what: string, said = '') => {
    faults[what] = (faults[what] ?? 0) + 1;
    if (sample === '') sample = said;
  };
  const startMs = performance.now();
  const outOfTime = () => performance.now() - startMs > msMax;

  const worker = async () => {
    const client = new Client(url, { pipelining: 1 });
    try {
      for (let token = waiting.pop(); token !== undefined && !outOfTime(); token = waiting.pop()) {
        for (let made = 0; made < callsPerTask && !outOfTime(); made++) {
          const { status, begin, bytes, tail, firstByteUs, wholeUs } = await call(client, workload, token);
          firsts.push(firstByteUs);
          wholes.push(wholeUs);
          if (status !== workload.status) fault(`status ${status} instead of ${workload.status}`, begin);
          else if (bytes < leastBytes) fault('an answer that was cut short', tail);
          else if (!tail.endsWith(workload.ends)) fault('an answer that does not end as it should', tail);
        }
      }
    } catch (error) {
      fault(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    } finally {
      await client.destroy();
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  if (outOfTime()) fault(`not done within ${msMax} ms`);
  const elapsedMs = performance.now() - startMs;
  return {
    requests: wholes.length,
    elapsedMs,
    firstByteUs: percentiles(firsts),
    wholeUs: percentiles(wholes),
    faults,
    sample,
  };
}

function percentiles(values: number[]): { p50: number; p99: number } {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

async function open({ url, workloadToken, tasks }: LoadQuestion & { ask: 'open' }): Promise<string[]> {
  const tokens: string[] = [];
  const body = JSON.stringify({ purpose: 'return_exception', subject: { id: customer, type: 'customer' } });
  const opener = async () => {
    while (tokens.length < tasks) {
      const headers = { authorization: `Bearer ${workloadToken}`, 'content-type': 'application/json' };
      const response = await fetch(`${url}/tasks`, { method: 'POST', headers, body });
      const text = await response.text();
      if (response.status !== 201) throw new Error(`a task was refused: ${response.status} ${text}`);
      tokens.push((JSON.parse(text) as { task_token: string }).task_token);
    }
  };
  await Promise.all(Array.from({ length: Math.min(openersMax, tasks) }, opener));
  return tokens.slice(0, tasks);
}

process.on('message', async (question: LoadQuestion) => {
  try {
    process.send?.(question.ask === 'open' ? await open(question) : await run(question));
  } catch (error) {
    process.send?.({ failed: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit());
process.send?.({ url: '' } satisfies Ready);
