/**
 * Azure OpenAI. Its v1 API is OpenAI's own; the classic one names the deployment in the path and its version in the query,
 * and is spoken where the target has `api_version`. The model of a target is the name of its deployment.
 */
import type { OutboundRequest, Target } from '../../call.ts';
import { errorsIn } from './foreign-error.ts';
import { modelSegment } from './model-segment.ts';
import type { Provider } from './provider.ts';

/** What belongs to a deployment in the classic API; the rest, `/responses` for one, names it in the body alone. */
const ofDeployment: ReadonlySet<string> = new Set(['/chat/completions', '/embeddings']);

export const azure: Provider = {
  name: 'azure',
  request(asked: OutboundRequest, { apiVersion, url, model }: Target): OutboundRequest {
    if (apiVersion === undefined) return asked;
    const segments = new URL(url).pathname.split('/').filter(Boolean);
    const [path = '', query] = asked.path.split(/\?(.*)/s);
    const names = ofDeployment.has(path) && segments.at(-1) === 'openai';
    const deployment = names && model !== null ? `/deployments/${modelSegment(model)}` : '';
    const version = `api-version=${encodeURIComponent(apiVersion)}`;
    return { ...asked, path: `${deployment}${path}?${query === undefined ? '' : `${query}&`}${version}` };
  },
  // A gateway in front of it has errors of its own: {"statusCode": 401, "message": …}
  answer: (answer) => errorsIn('openai', answer),
};
