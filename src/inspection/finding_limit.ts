/** How many places with findings one call or answer is told of; a payload can be nothing but e-mail addresses. */
import type { Finding } from '../call.ts';

/** Beyond this many (type, place) pairs the policy's input would swell past what it decides quickly. */
export const findingsMax = 4_096;

/** The findings as they are, or, beyond `findingsMax`, added up by type under the empty pointer. */
export function limited(findings: readonly Finding[]): readonly Finding[] {
  if (findings.length <= findingsMax) return findings;
  const byType = new Map<string, Finding>();
  for (const { type, count, confidence } of findings) {
    const sum = byType.get(type);
    byType.set(type, {
      type,
      count: count + (sum?.count ?? 0),
      where: '',
      confidence: Math.max(confidence, sum?.confidence ?? 0),
    });
  }
  return [...byType.values()];
}
