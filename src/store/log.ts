/** How the store says what operators should know. It is handed a log; the telemetry room is its neighbour, and not its own. */
export type StoreLog = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;
