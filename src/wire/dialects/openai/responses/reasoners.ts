/**
 * Which models reason, by their names, as far as names tell: only those may be asked for the encrypted form of their
 * reasoning. A model that is not known here is asked where its client speaks of reasoning; an Azure deployment may be
 * called anything.
 */

/** As of 2026-11-21. Also those that were tuned from one; models for chats alone do not reason. */
const reasoners = /^(?:ft:)?(?:o[1-9](?:-|:|$)|gpt-[5-9](?![^:]*-chat)|codex-)/;

export function isReasoner(model: string): boolean {
  return reasoners.test(model);
}
