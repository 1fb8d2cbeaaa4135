/**
 * The accepted definitions of the tools of one route: which hash each has, who accepted it, and which other hashes were
 * told of. They lie in the store, where every gateway sees the same, and in a file of `data_dir`, so that a gateway whose
 * store forgets with it does not trust anew whatever it finds. What a reader would get wrong: a pin is never removed. A
 * tool that comes back after weeks is measured by what was accepted.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Json, ToolDefinition } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { ownerlessKey, type Store } from '../store/store.ts';
import { updateRecord } from '../store/update.ts';
import { isToolDefinition } from '../wire/mcp/definitions.ts';
import { type Pinnable, pinnable, toolsMax } from './definition.ts';

/** Which definition of a tool is the accepted one. */
export interface Pin {
  readonly hash: string;
  readonly atMs: number;
  /** `first_seen`, `config`, or the id of the person who accepted it. */
  readonly by: string;
}

/** The pins of a route, by the names of tools. */
export type PinSet = ReadonlyMap<string, Pin>;

interface Recorded {
  readonly pins: Readonly<Record<string, Pin>>;
  /** Of each tool the hashes that drift was told of, the newest last. */
  readonly told: Readonly<Record<string, readonly string[]>>;
}

export interface PinsParts {
  readonly store: Pick<Store, 'get' | 'compareAndSet'>;
  readonly clock: Clock;
  readonly route: string;
  /** Where the copy lies. */
  readonly file: string;
}

/** Removed tools keep their pins: of so many together. */
const pinsMax = 2 * toolsMax;
const toldMax = 16;
/** Ten years. */
const keptMs = 10 * 365 * 24 * 3600_000;
const fileBytesMax = 256 * 1_048_576;
const nothing: Recorded = { pins: {}, told: {} };

export class Pins {
  readonly #parts: PinsParts;
  readonly #definitions = new Map<string, ToolDefinition>();
  #pins: PinSet = new Map();
  #opened: Promise<void> | undefined;
  #written = '';
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: PinsParts) {
    this.#parts = parts;
  }

  /** As last read. */
  get known(): PinSet {
    return this.#pins;
  }

  /** The accepted definition with this hash, if it was read or written here. */
  definition(hash: string): ToolDefinition | undefined {
    return this.#definitions.get(hash);
  }

  /** Reads them anew. Rejects with `StoreUnavailable`, and with what keeps the copy from being read: nothing is trusted then. */
  read(): Promise<PinSet> {
    return this.#inTurn(async () => {
      await this.#restore();
      const found = await this.#parts.store.get(this.#key);
      const recorded = (found?.value as unknown as Recorded | undefined) ?? nothing;
      const isWhole = [...this.#pins.keys()].every((tool) => Object.hasOwn(recorded.pins, tool));
      if (isWhole) return this.#learn(recorded);
      for (const [hash, definition] of this.#definitions) await this.#keep({ hash, definition });
      return this.#update((current) => current);
    });
  }

  /** Pins what has no pin yet, and leaves the others as they are. Gives those that stand then. */
  pinFirst(found: ReadonlyMap<string, Pinnable>): Promise<PinSet> {
    return this.#inTurn(() => this.#pinFirst(found));
  }

  async #pinFirst(found: ReadonlyMap<string, Pinnable>): Promise<PinSet> {
    if ([...found.keys()].every((tool) => this.#pins.has(tool))) return this.#pins;
    const atMs = this.#parts.clock.nowMs();
    for (const [tool, one] of found) if (!this.#pins.has(tool)) await this.#keep(one);
    return this.#update((recorded) => {
      const pins = new Map(Object.entries(recorded.pins));
      const before = pins.size;
      for (const [tool, { hash }] of found) {
        if (!pins.has(tool) && pins.size < pinsMax) pins.set(tool, { hash, atMs, by: 'first_seen' });
      }
      return pins.size === before ? recorded : { ...recorded, pins: Object.fromEntries(pins) };
    });
  }

  /** Accepts `wanted` in place of the pin whose hash is `from`. Denies `precondition_failed` where another stands by then. */
  accept(tool: string, wanted: Pinnable, from: string, by: string): Promise<PinSet | Denial> {
    return this.#inTurn(async () => {
      await this.#keep(wanted);
      const pin: Pin = { hash: wanted.hash, atMs: this.#parts.clock.nowMs(), by };
      const updated = await updateRecord<Recorded>(this.#parts.store, this.#key, keptMs, (recorded = nothing) => {
        const whole = this.#withLost(recorded);
        return pinOf(whole, tool)?.hash === from
          ? { ...whole, pins: { ...whole.pins, [tool]: pin } }
          : deny('precondition_failed', 'Another definition of the tool was accepted meanwhile. Look at it again.');
      });
      return isDenial(updated) ? updated : this.#learn(updated.value);
    });
  }

  /** Whether this gateway is the first of all to tell that `tool` was found with this other hash. */
  firstToTell(tool: string, hash: string): Promise<boolean> {
    return this.#inTurn(async () => {
      let first = false;
      await this.#update((recorded) => {
        const told = Object.hasOwn(recorded.told, tool) ? (recorded.told[tool] as readonly string[]) : [];
        first = !told.includes(hash);
        return first ? { ...recorded, told: { ...recorded.told, [tool]: [...told, hash].slice(-toldMax) } } : recorded;
      });
      return first;
    });
  }

  /** One after the other: what was read earlier is never learnt later. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(step, step);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  get #key(): string {
    return ownerlessKey('tools', 'pins', this.#parts.route);
  }

  async #update(change: (recorded: Recorded) => Recorded): Promise<PinSet> {
    const updated = await updateRecord<Recorded>(this.#parts.store, this.#key, keptMs, (recorded = nothing) =>
      change(this.#withLost(recorded)),
    );
    if (isDenial(updated)) throw new Error(updated.message);
    return this.#learn(updated.value);
  }

  /** With what this gateway knows and the store has forgotten: an emptied store is no reason to trust anew. */
  #withLost(recorded: Recorded): Recorded {
    const lost = [...this.#pins].filter(([tool]) => !Object.hasOwn(recorded.pins, tool));
    return lost.length === 0 ? recorded : { ...recorded, pins: { ...recorded.pins, ...Object.fromEntries(lost) } };
  }

  async #learn({ pins }: Recorded): Promise<PinSet> {
    const learnt = new Map(Object.entries(pins));
    for (const { hash } of learnt.values()) {
      if (this.#definitions.has(hash)) continue;
      const found = await this.#parts.store.get(definitionKey(hash));
      const definition = verified(hash, found?.value);
      if (definition !== undefined) this.#definitions.set(hash, definition);
    }
    const needed = new Set([...learnt.values()].map(({ hash }) => hash));
    for (const hash of this.#definitions.keys()) if (!needed.has(hash)) this.#definitions.delete(hash);
    this.#pins = learnt;
    await this.#copy(pins);
    return learnt;
  }

  async #keep({ hash, definition }: Pinnable): Promise<void> {
    this.#definitions.set(hash, definition);
    // By its hash it is the same whoever writes it; a later write of it would change nothing.
    await this.#parts.store.compareAndSet(definitionKey(hash), 0, definition as unknown as Json, keptMs);
  }

  /** What the store does not know any more, out of the copy; once. */
  #restore(): Promise<void> {
    this.#opened ??= this.#restoreCopy().catch((fault: unknown) => {
      this.#opened = undefined;
      throw fault;
    });
    return this.#opened;
  }

  async #restoreCopy(): Promise<void> {
    const { file } = this.#parts;
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw fault;
    }
    const copy = text.length > fileBytesMax ? undefined : copyIn(text);
    if (copy === undefined) {
      throw new Error(
        `${file} holds the accepted definitions of tools and cannot be read: mend it, or take it away to trust anew`,
      );
    }
    for (const [hash, found] of Object.entries(copy.definitions)) {
      const definition = verified(hash, found);
      if (definition !== undefined) await this.#keep({ hash, definition });
    }
    await this.#update((recorded) => {
      const lost = Object.entries(copy.pins).filter(([tool]) => !Object.hasOwn(recorded.pins, tool));
      return lost.length === 0 ? recorded : { ...recorded, pins: { ...recorded.pins, ...Object.fromEntries(lost) } };
    });
  }

  async #copy(pins: Recorded['pins']): Promise<void> {
    const text = JSON.stringify(pins);
    if (text === this.#written || (text === '{}' && this.#written === '')) return;
    const { file, clock } = this.#parts;
    const definitions = Object.fromEntries(
      Object.values(pins).flatMap(({ hash }) => {
        const definition = this.#definitions.get(hash);
        return definition === undefined ? [] : [[hash, definition]];
      }),
    );
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const beside = `${file}.${clock.randomBytes(6).toString('hex')}`;
    await writeFile(beside, JSON.stringify({ v: 1, pins, definitions }), { mode: 0o600 });
    await rename(beside, file);
    this.#written = text;
  }
}

function pinOf({ pins }: Recorded, tool: string): Pin | undefined {
  return Object.hasOwn(pins, tool) ? pins[tool] : undefined;
}

/** `value` if it is the definition of this hash. */
function verified(hash: string, value: unknown): ToolDefinition | undefined {
  if (!isToolDefinition(value)) return undefined;
  const found = pinnable(value);
  return 'hash' in found && found.hash === hash ? found.definition : undefined;
}

function definitionKey(hash: string): string {
  return ownerlessKey('tools', 'definition', hash);
}

function copyIn(
  text: string,
): { readonly pins: Recorded['pins']; readonly definitions: Readonly<Record<string, unknown>> } | undefined {
  try {
    const { v, pins, definitions } = JSON.parse(text) as Record<string, unknown>;
    const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
    if (v !== 1 || !isMap(pins) || !isMap(definitions)) return undefined;
    const isPin = (pin: unknown) => isMap(pin) && typeof pin.hash === 'string' && typeof pin.by === 'string';
    if (!Object.values(pins).every(isPin)) return undefined;
    return { pins: pins as Recorded['pins'], definitions };
  } catch {
    return undefined;
  }
}
