/**
 * Logs for operators, as JSON lines. A line is a message and a few named fields; nobody hands a request, a header or
 * a payload to a log. What looks like a credential or a person's data is masked even so, because the text of a fault
 * may quote what was being read when it happened.
 */
import { type DestinationStream, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

const fieldCharsMax = 2_000;
const depthMax = 4;
const membersMax = 50;

/** What never stands in a log, and the word that does; the first that fits wins. Bounded and without backtracking. */
const masks: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]{1,40}-----[\s\S]*?(?:-----END [A-Z ]{1,40}-----|$)/g, '[key]'],
  [/\b(?:Bearer|Basic|DPoP)\s+[\w.~+/=-]{4,}/gi, '[credential]'],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, '[credential]'],
  [/\b(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abprs])[-_][\w-]{8,}/g, '[credential]'],
  [/\b(?:AKIA|ASIA|AIza)[\w-]{12,}/g, '[credential]'],
  [/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/g, '[e-mail]'],
  [/\b\d(?:[ -]?\d){12,18}\b/g, '[number]'],
  [/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g, '[number]'],
];

function masked(text: string): string {
  let clean = text.slice(0, fieldCharsMax);
  for (const [form, word] of masks) clean = clean.replace(form, word);
  return clean;
}

function printable(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return masked(value);
  if (value instanceof Error) return masked(`${value.name}: ${value.message}`);
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : value;
  if (depth >= depthMax) return '[…]';
  if (Array.isArray(value)) return value.slice(0, membersMax).map((item) => printable(item, depth + 1));
  const members = Object.entries(value).slice(0, membersMax);
  return Object.fromEntries(members.map(([name, member]) => [masked(name), printable(member, depth + 1)]));
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
    if (logger.isLevelEnabled(lineLevel)) logger[lineLevel](printable(fields) as object, masked(message));
  };
}
