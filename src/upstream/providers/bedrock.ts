/**
 * Amazon Bedrock with Anthropic's models (InvokeModel): the model is in the path, version and beta features are in the
 * body, streams are of AWS's own framing, and errors have AWS's names. Signing is a credential's (SigV4), or a key in a
 * header. What a reader would get wrong: members that only Bedrock reads would go around the decision, so that none of
 * them is taken from the body as it came.
 */
import type { Json, JsonObject, OutboundRequest, Target } from '../../call.ts';
import { isCount, objectOf, textOf } from '../../wire/json-value.ts';
import { withMembers } from '../../wire/members.ts';
import { countPath, messagesPath, versionFor } from './anthropic-platform.ts';
import { messageEvents, statusOfException } from './bedrock-stream.ts';
import { errorsIn, rewritten } from './foreign-error.ts';
import { modelSegment } from './model-segment.ts';
import type { Provider, ProviderAnswer } from './provider.ts';

/** How Bedrock calls the version 2023-06-01. */
const firstVersion = 'bedrock-2023-05-31';
const eventStream = 'application/vnd.amazon.eventstream';

export const bedrock: Provider = {
  name: 'bedrock',

  request(asked: OutboundRequest, target: Target): OutboundRequest {
    const [path = ''] = asked.path.split('?');
    if (asked.body === null || (path !== messagesPath && path !== countPath)) return asked;
    const text = asked.body.toString('utf8');
    const body = objectOf(JSON.parse(text));
    const model = target.model ?? textOf(body.model);
    const invoked = invocation(text, asked, target);
    if (path === countPath) {
      const counted = withMembers(invoked, { max_tokens: String(tokensToCount(body)) });
      const input = { invokeModel: { body: Buffer.from(counted).toString('base64') } };
      return made(asked, `/model/${modelSegment(bareModel(model))}/count-tokens`, JSON.stringify({ input }));
    }
    const how = body.stream === true ? 'invoke-with-response-stream' : 'invoke';
    return made(asked, `/model/${modelSegment(model)}/${how}`, invoked);
  },

  answer(answer: ProviderAnswer, asked: OutboundRequest): ProviderAnswer {
    if (answer.status >= 400) {
      // `ThrottlingException:http://…`: the name may have a URI behind it.
      const [name = ''] = (answer.headers['x-amzn-errortype'] ?? '').split(':');
      return errorsIn('anthropic', answer, statusOfException(name));
    }
    if ((answer.headers['content-type'] ?? '').startsWith(eventStream)) {
      const headers = { ...answer.headers, 'content-type': 'text/event-stream; charset=utf-8' };
      return { ...answer, headers, body: messageEvents(answer.body) };
    }
    return asked.path.startsWith(countPath) ? rewritten(answer, countIn) : answer;
  },
};

function made(asked: OutboundRequest, path: string, body: string): OutboundRequest {
  const { 'anthropic-version': _version, 'anthropic-user-profile-id': _profile, ...headers } = asked.headers;
  // What is accepted is the body of the model, also where it comes in frames.
  return { ...asked, path, headers: { ...headers, accept: 'application/json' }, body: Buffer.from(body) };
}

/** The body of InvokeModel; whatever is Anthropic's own keeps its bytes. */
function invocation(text: string, { headers }: OutboundRequest, { apiVersion }: Target): string {
  const named = (headers['anthropic-beta'] ?? '').split(',').map((name) => name.trim());
  const betas = named.filter((name) => name !== '');
  const profile = headers['anthropic-user-profile-id'];
  return withMembers(text, {
    model: null,
    stream: null,
    anthropic_version: JSON.stringify(versionFor(firstVersion, headers['anthropic-version'], apiVersion)),
    anthropic_beta: betas.length === 0 ? null : JSON.stringify(betas),
    user_profile_id: profile === undefined ? null : JSON.stringify(profile),
  });
}

/** An invocation has to have a limit, also where it is only counted, and one above what is thought. */
function tokensToCount({ max_tokens: asked, thinking }: JsonObject): number {
  const { budget_tokens: budget } = objectOf(thinking);
  return isCount(asked) ? asked : isCount(budget) ? budget + 1 : 1;
}

/** Tokens are counted by models alone; a profile of several regions names its model behind a prefix. */
function bareModel(model: string): string {
  return /(?:^|\/)(?:[a-z]+(?:-[a-z]+)*\.)?(anthropic\.[^/]+)$/.exec(model)?.[1] ?? model;
}

function countIn(bytes: Buffer): Buffer {
  let tokens: Json | undefined;
  try {
    tokens = objectOf(JSON.parse(bytes.toString('utf8'))).inputTokens;
  } catch {
    // What is no JSON is no count either.
  }
  return isCount(tokens) ? Buffer.from(JSON.stringify({ input_tokens: tokens })) : bytes;
}
