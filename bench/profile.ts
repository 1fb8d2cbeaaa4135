/**
 * Where the time of a CPU profile went, by folder. `self` is where the processor was; `inclusive` gives the time in
 * Node, packages and WASM to the folder of src that called them. What follows an `await` or an event has no caller on
 * the stack any more, so time of sockets stands under Node in both.
 */
interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface Share {
  readonly self: number;
  readonly inclusive: number;
}

export interface Breakdown {
  /** By folder; each column sums to 1 over the time the thread was busy. */
  readonly folders: ReadonlyMap<string, Share>;
  /** Functions by their own time, dearest first. */
  readonly functions: readonly { readonly where: string; readonly share: number }[];
}

const collector = 'garbage collection';
const unknown = 'V8, and the system calls it makes';

/** What a frame belongs to, or undefined where it belongs to its caller (a built-in, such as JSON.parse). */
function folderOf({ functionName, url }: ProfileNode['callFrame']): string | undefined {
  if (functionName === '(garbage collector)') return collector;
  if (functionName === '(program)' || functionName === '(root)') return unknown;
  if (url.startsWith('wasm:')) return 'OPA in WASM';
  if (url.startsWith('node:'))
    return /^node:internal\/crypto|^node:crypto/.test(url) ? 'Node: crypto' : 'Node: HTTP, sockets, streams, timers';
  const packaged = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url);
  if (packaged !== null) return packaged[1];
  const inside = /\/src\/(?:([^/]+)\/)?[^/]+$/.exec(url) ?? /\/src\/([^/]+)\//.exec(url);
  if (inside !== null) return inside[1] === undefined ? 'src (pipeline, ladder, settlement)' : `src/${inside[1]}`;
  return url === '' ? undefined : 'the benchmark itself';
}

export function breakdown({ nodes, samples, timeDeltas }: CpuProfile): Breakdown {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const timeOf = new Map<number, number>();
  for (const [index, id] of samples.entries()) timeOf.set(id, (timeOf.get(id) ?? 0) + (timeDeltas[index] ?? 0));

  const folders = new Map<string, { self: number; inclusive: number }>();
  const functions = new Map<string, number>();
  const folder = (name: string) => {
    const found = folders.get(name) ?? { self: 0, inclusive: 0 };
    folders.set(name, found);
    return found;
  };
  let busy = 0;
  for (const [id, time] of timeOf) {
    const node = byId.get(id);
    // The profiler starting and stopping is not the gate's work.
    if (node === undefined || node.callFrame.functionName === '(idle)' || node.callFrame.url === 'node:inspector')
      continue;
    busy += time;
    const way: string[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = byId.get(at)?.callFrame;
      const name = frame === undefined ? undefined : folderOf(frame);
      if (name !== undefined) way.push(name);
    }
    const own = way[0] ?? unknown;
    folder(own).self += time;
    folder(own === collector ? own : (way.find((name) => name.startsWith('src')) ?? own)).inclusive += time;
    const { functionName, url, lineNumber } = node.callFrame;
    const file = url.replace(/^file:\/\//, '').replace(/.*\/(src|node_modules)\//, '$1/');
    const where = `${functionName || '(anonymous)'} ${file === '' ? `(${own})` : `${file}:${lineNumber + 1}`}`;
    functions.set(where, (functions.get(where) ?? 0) + time);
  }
  const sorted = [...folders].toSorted(([, one], [, other]) => other.inclusive - one.inclusive);
  return {
    folders: new Map(
      sorted.map(([name, { self, inclusive }]) => [name, { self: self / busy, inclusive: inclusive / busy }]),
    ),
    functions: [...functions]
      .map(([where, time]) => ({ where, share: time / busy }))
      .toSorted((one, other) => other.share - one.share),
  };
}
