/**
 * Ids of chat completions that stand for what lies at the provider: spoken answers that it keeps, and files. As
 * `responses/ids.ts`, which says more.
 */
import type { Json, JsonObject, NamedId } from '../../../call.ts';
import { listOf, objectOf, textOf } from '../../json-value.ts';

/** The ids that the request `body` names, in its order. */
export function namedIds(body: JsonObject): readonly NamedId[] {
  const named: NamedId[] = [];
  const add = (where: string, id: Json | undefined): void => {
    if (typeof id === 'string') named.push({ where, id });
  };
  for (const [index, item] of listOf(body.messages).entries()) {
    const { audio, content } = objectOf(item);
    add(`/messages/${index}/audio/id`, objectOf(audio).id);
    for (const [at, part] of listOf(content).entries()) {
      add(`/messages/${index}/content/${at}/file/file_id`, objectOf(objectOf(part).file).file_id);
    }
  }
  return named;
}

/** The ids that an answer, or a chunk of one, gives. */
export function givenIds(answer: JsonObject): readonly string[] {
  return listOf(answer.choices).flatMap((choice) => {
    const { message, delta } = objectOf(choice);
    const id = textOf(objectOf(objectOf(message ?? delta).audio).id);
    return id === '' ? [] : [id];
  });
}
