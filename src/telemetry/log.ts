/**
 * Logs for operators, as JSON lines. A line is a message and a few named fields; nobody hands a request, a header or
 * a payload to a log, and what looks like a credential is masked even so.
 */
import { type DestinationStream, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

const credentialForms = /\b(?:Bearer\s+\S+|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|sk-[\w-]{8,})/g;
const fieldCharsMax = 2_000;

function printable(value: unknown): unknown {
  if (value instanceof Error) return printable(`${value.name}: ${value.message}`);
  if (typeof value !== 'string') return value;
  return value.slice(0, fieldCharsMax).replace(credentialForms, '[credential]');
}

/** A log that writes to `destination` (standard error if left out) from `level` up. */
export function openLog(level: LogLevel, destination?: DestinationStream): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination(2),
  );
  return (lineLevel, message, fields = {}) => {
    const clean = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, printable(value)]));
    logger[lineLevel](clean, printable(message) as string);
  };
}
