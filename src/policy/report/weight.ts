/** How heavy a document is in memory, about: as long as its JSON text, without that being written. */
import type { Json } from '../../call.ts';

/** Bytes around each value, whatever it is. */
const valueBytes = 16;

/** At most `max`, and a value more; looks no further then. */
export function weightOf(value: Json, max: number): number {
  let left = max;
  const visit = (of: Json): boolean => {
    left -= valueBytes + (typeof of === 'string' ? of.length : 0);
    if (left < 0) return true;
    if (of === null || typeof of !== 'object') return false;
    if (Array.isArray(of)) return of.some(visit);
    return Object.entries(of).some(([name, member]) => {
      left -= name.length;
      return visit(member as Json);
    });
  };
  visit(value);
  return max - Math.max(0, left);
}
