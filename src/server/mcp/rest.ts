/**
 * Further pages of a result that was too long, read as a resource of the gate: `tollgate:result:{cursor}`, as the result
 * itself names it. What a reader would get wrong: no server is asked, and it is no new call; what `GET
 * /tasks/{id}/results/{cursor}` asks for and records, this does.
 */
import { type Denial, isDenial } from '../../denial.ts';
import type { Reply } from '../../pipeline.ts';
import { isMcpFault, McpFault, rpcCodes } from '../../wire/mcp/fault.ts';
import { faultReply, type RpcRequest } from '../../wire/mcp/message.ts';
import { readResultUri, resultUri } from '../../wire/mcp/names.ts';
import { errorFor, resultFor } from '../../wire/mcp/translate.ts';
import { noteOf } from '../../wire/result/mcp-result.ts';
import { jsonOf } from './answering.ts';
import type { McpEndpointPorts, McpVisit } from './ports.ts';
import { resultOf } from './route-lists.ts';

/** The cursor that a request reads a page by; undefined for a request that is for a server. */
export function cursorOf({ method, params }: RpcRequest): string | undefined {
  return method === 'resources/read' ? readResultUri(params.uri) : undefined;
}

/** The page; a fault as for any resource that there is not. Denies what the task of the token is refused. */
export async function restReply(
  { own: ownOf, rest, gate }: Pick<McpEndpointPorts, 'own' | 'rest' | 'gate'>,
  { credential, route, context }: McpVisit,
  { id, method }: RpcRequest,
  cursor: string,
  version: string,
): Promise<Reply | Denial> {
  const own = await ownOf(credential);
  if (isDenial(own)) return own;
  const found = await rest(own, cursor, route, context.trace);
  if (found === undefined) {
    const message = 'There is no such rest of a result: it is kept for some minutes, for its task alone';
    const { code } = errorFor(version, { code: rpcCodes.resourceNotFound, message });
    return faultReply(new McpFault(id, code, message, 200));
  }
  const { page, next } = found;
  const uri = resultUri(cursor);
  const rests = next === null ? 'It is the last part.' : `The rest: read the resource ${resultUri(next)}`;
  const contents = [
    { uri, mimeType: page.contentType, text: page.text },
    noteOf(`[This is ${page.part} of a result. ${rests}]`, next === null ? uri : resultUri(next)),
  ];
  const result = resultFor(version, method, { contents }, id, gate);
  return isMcpFault(result) ? faultReply(result) : jsonOf(resultOf(id, result));
}
