/** What the log says of the tools of a route: each thing once, however often it is found again. */
import type { Log } from '../telemetry/log.ts';
import type { EntryRules, ToolEntry } from './entries.ts';

/** So many things are remembered to have been said. */
const saidMax = 1_024;

export class EntryNotes {
  readonly #route: string;
  readonly #log: Log;
  readonly #said = new Set<string>();

  constructor(route: string, log: Log) {
    this.#route = route;
    this.#log = log;
  }

  note({ name, state, fault, hidden, others }: ToolEntry, rules: EntryRules): void {
    const about = { route: this.#route, tool: name };
    if (state === 'refused') this.#once(`refused ${name} ${fault}`, 'a tool is not offered', { ...about, fault });
    if (state === 'unlisted') {
      this.#once(`unlisted ${name}`, 'a tool is not in the tools file of its route', about);
      return;
    }
    for (const { hash, targets } of others) {
      const found = { ...about, targets: targets.join(' '), hash };
      this.#once(`drift ${name} ${hash}`, 'the definition of a tool has changed', found);
    }
    if (hidden.length === 0) return;
    const places = hidden.map(({ where, kind }) => `${kind} ${where}`).join(', ');
    const what = { ...about, does: rules.hidden, places };
    this.#once(`hidden ${name} ${places}`, 'a tool tells the model more than what it does', what);
  }

  #once(key: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#said.has(key)) return;
    if (this.#said.size >= saidMax) this.#said.clear();
    this.#said.add(key);
    this.#log('warn', message, fields);
  }
}
