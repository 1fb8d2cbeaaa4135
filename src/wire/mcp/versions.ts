/**
 * The versions of MCP that the gate speaks, and the two eras they fall into. What a reader would get wrong: a modern
 * version (from 2026-07-28 on) has no sessions and no `initialize`; each request says which version it is of. An older
 * one is agreed on once, for a session.
 */

/** The newest version, which is the only modern one. */
export const modernVersion = '2026-07-28';

/** The versions with sessions, newest first. */
export const legacyVersions: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26'];

/** All of them, newest first. */
export const mcpVersions: readonly string[] = [modernVersion, ...legacyVersions];

/** What a client speaks that names none: the header came with the next version (2025-06-18, Transports). */
export const unnamedVersion = '2025-03-26';

/** Whether each request of this version stands for itself. Versions are dates, and their order is that of their text. */
export function isModern(version: string): boolean {
  return version >= modernVersion;
}

/** Whether the gate speaks this version. */
export function isSpoken(version: string): boolean {
  return mcpVersions.includes(version);
}

/** What `initialize` is answered with: what was asked for, or the newest version that has an `initialize`. */
export function agreedVersion(requested: string): string {
  return legacyVersions.includes(requested) ? requested : (legacyVersions[0] as string);
}
