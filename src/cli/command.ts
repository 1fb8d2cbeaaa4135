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
