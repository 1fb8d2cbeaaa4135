/** What a command of the command line is, and how it says that it was called wrongly. */

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

export interface Command {
  readonly help: string;
  /** Gives the exit code. Throws `Usage` for a wrong call, anything else for a fault. */
  run(argv: readonly string[], surroundings: Surroundings): Promise<number>;
}

/** The command was called wrongly: exit code 2. */
export class Usage extends Error {
  override readonly name = 'Usage';
}

/** The one argument that a command takes besides its options. Throws `Usage` for none, and for more. */
export function oneArgument(name: string, positionals: readonly string[]): string {
  const [only] = positionals;
  if (only === undefined || positionals.length > 1) throw new Usage(`one ${name}, found ${positionals.length}`);
  return only;
}
