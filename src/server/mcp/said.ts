/** What the MCP endpoint says of itself, and in short. */
import type { Reply } from '../../pipeline.ts';

/** What a model may be told of this server. */
export const instructions =
  'A gateway to the tools that this task may use. A call that is refused says why, and often what is allowed instead.';

/** What a message is answered with that has no response. */
export function accepted(): Reply {
  return { status: 202, headers: {}, body: Buffer.alloc(0) };
}
