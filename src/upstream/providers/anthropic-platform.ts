/**
 * What the platforms that serve Anthropic's models have alike: two operations, and the version of the API in the body.
 */
export const messagesPath = '/v1/messages';
export const countPath = '/v1/messages/count_tokens';

/**
 * `anthropic_version` for the body: what the target says, else what the client asked for as the platform calls it. Each
 * has a name of its own for 2023-06-01; later versions are dates on every platform.
 */
export function versionFor(first: string, asked: string | undefined, ofTarget: string | undefined): string {
  return ofTarget ?? (asked === undefined || asked === '2023-06-01' ? first : asked);
}
