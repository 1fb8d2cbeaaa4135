/**
 * Vertex AI: Anthropic's models as their publisher's (`rawPredict`), and whatever speaks OpenAI's API below
 * `endpoints/openapi`. Both have the same base URL, which ends in the location; the target says which API is meant.
 */
import type { OutboundRequest, Target } from '../../call.ts';
import { objectOf, textOf } from '../../wire/json-value.ts';
import { withMembers } from '../../wire/members.ts';
import { countPath, messagesPath, versionFor } from './anthropic-platform.ts';
import { errorsIn } from './foreign-error.ts';
import { modelSegment } from './model-segment.ts';
import type { Provider } from './provider.ts';

const publisher = '/publishers/anthropic/models';
/** How Vertex calls the version 2023-06-01. */
const firstVersion = 'vertex-2023-10-16';

export const vertex: Provider = {
  name: 'vertex',
  request: (asked, target) =>
    target.api === 'anthropic' ? ofPublisher(asked, target) : { ...asked, path: `/endpoints/openapi${asked.path}` },
  answer: (answer, _asked, { api }) => errorsIn(api ?? 'openai', answer),
};

function ofPublisher(asked: OutboundRequest, target: Target): OutboundRequest {
  const [path = ''] = asked.path.split('?');
  if (asked.body === null || (path !== messagesPath && path !== countPath)) return asked;
  const text = asked.body.toString('utf8');
  const body = objectOf(JSON.parse(text));
  const counts = path === countPath;
  const method = body.stream === true ? 'streamRawPredict' : 'rawPredict';
  const named = `${modelSegment(target.model ?? textOf(body.model))}:${method}`;
  const { 'anthropic-version': version, ...headers } = asked.headers;
  const changes = {
    anthropic_version: JSON.stringify(versionFor(firstVersion, version, target.apiVersion)),
    // The features travel as a header here; nobody else's go along.
    anthropic_beta: null,
    // A count names its model in the body: the path has none.
    ...(counts ? {} : { model: null }),
  };
  return {
    ...asked,
    path: `${publisher}/${counts ? 'count-tokens:rawPredict' : named}`,
    headers,
    body: Buffer.from(withMembers(text, changes)),
  };
}
