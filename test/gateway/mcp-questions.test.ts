/**
 * What servers of MCP ask their clients while a call runs, in all pairings of the eras: the client's answers are calls of
 * their own, and nobody brings a server the state of another task or request.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openLegacyReference } from '../fakes/mcp-reference/legacy.ts';
import { openModernReference } from '../fakes/mcp-reference/modern.ts';
import type { Witness } from '../fakes/mcp-reference/witness.ts';
import { part } from '../parts.ts';
import { McpClient } from './mcp-client.ts';
import { World } from './world.ts';

const place = { cloud: 'azure', region: 'westeurope' };
const elicitation = { elicitation: {} };
const asksForName = 'test_input_required_result_elicitation';

interface Asked {
  readonly resultType: string;
  readonly inputRequests: Record<string, { readonly method: string; readonly params: { readonly message: string } }>;
  readonly requestState: string;
}

describe('questions of MCP servers', part('opa'), () => {
  let world: World;
  let legacy: Witness;
  let modern: Witness;
  before(async () => {
    [legacy, modern] = await Promise.all([openLegacyReference(), openModernReference()]);
    const routes = Object.entries({ legacy, modern }).map(([name, { url }]) => ({
      ...{ name, kind: 'mcp' },
      targets: [{ ...place, name: 'one', url }],
    }));
    world = await World.open({ config: { routes } });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await Promise.all([legacy, modern].map((server) => server?.[Symbol.asyncDispose]()));
  });
  const clientOf = (token: string, route: string) => new McpClient(`${world.gate.url}/mcp/${route}`, token);
  const operations = async (task: string) =>
    (await world.events({ task, type: 'outcome' })).map(({ operation, status }) => `${operation} ${status}`);

  it('an older client is asked on its stream, and its answer is a call of its own', { timeout: 10_000 }, async () => {
    const task = await world.task();
    const one = clientOf(task.token, 'legacy');
    await one.initialize('2025-11-25', elicitation);
    const stream = await one.begin('tools/call', { name: 'test_elicitation', arguments: { message: 'Who?' } });
    const question = await stream.next();
    assert.equal(question?.method, 'elicitation/create');
    const result = { action: 'accept', content: { username: 'ann', email: 'none' } };
    const stranger = clientOf((await world.task()).token, 'legacy');
    await stranger.initialize('2025-11-25', elicitation);
    await stranger.post({ jsonrpc: '2.0', id: question.id, result }, {});
    assert.equal((await one.post({ jsonrpc: '2.0', id: question.id, result }, {})).status, 202);
    const answer = await stream.next();
    assert.match(JSON.stringify(answer?.result), /ann/);
    assert.deepEqual((await operations(task.id)).toSorted(), [
      'legacy.elicitation/create 202',
      'legacy.test_elicitation 200',
    ]);
  });

  it('[session.state-bound-to-request] a stateless client of an older server comes again with the answers', {
    timeout: 10_000,
  }, async () => {
    const task = await world.task();
    const one = clientOf(task.token, 'legacy');
    const call = { name: 'test_elicitation', arguments: { message: 'Who?' } };
    const first = await one.modern('tools/call', call, elicitation);
    const asked = first.result as unknown as Asked;
    assert.equal(asked.resultType, 'input_required');
    const [key = ''] = Object.keys(asked.inputRequests);
    const answers = { [key]: { action: 'accept', content: { username: 'bob', email: 'none' } } };
    const again = { inputResponses: answers, requestState: asked.requestState };
    const thief = clientOf((await world.task()).token, 'legacy');
    assert.equal((await thief.modern('tools/call', { ...call, ...again }, elicitation)).error?.code, -32602);
    const other = { ...call, arguments: { message: 'What?' } };
    assert.equal((await one.modern('tools/call', { ...other, ...again }, elicitation)).error?.code, -32602);
    const done = await one.modern('tools/call', { ...call, ...again }, elicitation);
    assert.match(JSON.stringify(done.result), /bob/);
    assert.equal(done.result.resultType, 'complete');
    assert.equal(legacy.calls('tools/call').filter(({ name }) => name === 'test_elicitation').length, 2);
    assert.deepEqual((await operations(task.id)).toSorted(), [
      'legacy.elicitation/create 202',
      'legacy.test_elicitation 200',
    ]);
  });

  it('what a stateless server asks passes, with a state that is good for this task and request alone', async () => {
    const task = await world.task();
    const one = clientOf(task.token, 'modern');
    const call = { name: asksForName, arguments: {} };
    const asked = (await one.modern('tools/call', call, elicitation)).result as unknown as Asked;
    assert.equal(asked.inputRequests.user_name?.method, 'elicitation/create');
    const inputResponses = { user_name: { action: 'accept', content: { name: 'eve' } } };
    const bare = await one.modern('tools/call', { ...call, inputResponses }, elicitation);
    assert.equal(bare.result.resultType, 'input_required', 'an answer without the state of its question is none');
    assert.equal(modern.calls('tools/call').at(-1)?.inputResponses, undefined);
    const done = await one.modern(
      'tools/call',
      { ...call, inputResponses, requestState: asked.requestState },
      elicitation,
    );
    assert.match(JSON.stringify(done.result), /Hello, eve!/);
    assert.deepEqual(await operations(task.id), [
      `modern.${asksForName} 200`,
      `modern.${asksForName} 200`,
      'modern.elicitation/create 202',
      `modern.${asksForName} 200`,
    ]);
  });

  it('what a server asks is judged as the answers of its call are', { timeout: 10_000 }, async () => {
    const message = 'Is it bob@example.com?';
    const ask = { name: 'test_elicitation', arguments: { message } };
    const redacting = await world.task({ labels: { oblige_response: '{"redact":[{"type":"email"}]}' } });
    const asked = (await clientOf(redacting.token, 'legacy').modern('tools/call', ask, elicitation)).result;
    const [question] = Object.values((asked as unknown as Asked).inputRequests);
    assert.match(question?.params.message ?? '', /^Is it (?!bob@example)/);
    const denying = await world.task({ labels: { deny_response: 'legacy.test_elicitation' } });
    const refused = await clientOf(denying.token, 'legacy').modern('tools/call', ask, elicitation);
    assert.equal(refused.result.inputRequests, undefined, 'the client is not asked');
    assert.equal(refused.result.isError, true);
    assert.match(JSON.stringify(legacy.received.at(-1)?.body), /does not put this question/);
  });

  it('an answer that the policy denies reaches no server', { timeout: 10_000 }, async () => {
    const task = await world.task({ labels: { deny: 'modern.elicitation/create' } });
    const one = clientOf(task.token, 'modern');
    const call = { name: asksForName, arguments: {} };
    const asked = (await one.modern('tools/call', call, elicitation)).result as unknown as Asked;
    const before = modern.calls('tools/call').length;
    const inputResponses = { user_name: { action: 'accept', content: { name: 'eve' } } };
    const refused = await one.modern(
      'tools/call',
      { ...call, inputResponses, requestState: asked.requestState },
      elicitation,
    );
    assert.equal((refused.result.structuredContent as { code: string }).code, 'policy_denied');
    assert.equal(modern.calls('tools/call').length, before);
    assert.deepEqual(await operations(task.id), [`modern.${asksForName} 200`]);
  });

  it('lists of many servers are one, with the names that lead back', async () => {
    const task = await world.task();
    const one = new McpClient(`${world.gate.url}/mcp`, task.token);
    const prompts = (await one.modern('prompts/list')).result.prompts as { name: string }[];
    for (const route of ['legacy', 'modern'])
      assert.ok(
        prompts.some(({ name }) => name.startsWith(`${route}__`)),
        JSON.stringify(prompts),
      );
    const uris: string[] = [];
    let cursor: string | undefined;
    do {
      const page = (await one.modern('resources/list', cursor === undefined ? {} : { cursor })).result;
      uris.push(...(page.resources as { uri: string }[]).map(({ uri }) => uri));
      cursor = page.nextCursor as string | undefined;
    } while (cursor !== undefined);
    const [first = ''] = uris.filter((uri) => uri.startsWith('tollgate:modern/'));
    const read = await one.modern('resources/read', { uri: first });
    assert.equal((read.result.contents as { uri: string }[])[0]?.uri, first);
    assert.equal(read.result.cacheScope, 'private');
  });
});
