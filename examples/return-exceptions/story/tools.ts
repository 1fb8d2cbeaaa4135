/**
 * Chapter 6: tools over MCP, and calls that must be made once. The coordinator speaks with the gate alone; whether a tool
 * is an operation of an HTTP service or one of the carrier's MCP server it cannot tell, and need not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { callThroughGate } from '../agent.ts';
import { connectTools, type ToolAnswer } from '../tool-client.ts';
import { conversation } from '../world/script.ts';
import { checkRefusal, type Members } from './refused.ts';
import { claimsOf, coordinatorId, type Scene } from './scene.ts';
import { needed, type Step } from './step.ts';

const chapter = '6 the tools';
const { customerId } = conversation;
const tool = 'parcels__track_parcel';
const order = { order_id: 'A-1001' };
/** The gate looks at the server each second (`refresh_seconds` of the route). */
const driftWaitMs = 8_000;
const driftPollMs = 50;

interface ShownTool {
  readonly tool: string;
  readonly state: string;
  readonly found: readonly { readonly hash: string; readonly changes: readonly { readonly where: string }[] }[];
}

/** The tool as people see it on the admin plane. */
async function shown(scene: Scene): Promise<ShownTool> {
  const { routes } = await scene.admin('/tools?route=parcels');
  const tools = routes[0].tools as readonly ShownTool[];
  return needed(
    tools.find((one) => one.tool === 'track_parcel'),
    'the tool on the admin plane',
  );
}

/** Waits until the gate has looked at its server again. */
async function seenAs(scene: Scene, state: string): Promise<ShownTool> {
  const deadline = performance.now() + driftWaitMs;
  for (;;) {
    const tool = await shown(scene);
    if (tool.state === state || performance.now() > deadline) return tool;
    await sleep(driftPollMs);
  }
}

/** An operator accepts the definition that there is now. */
async function accept(scene: Scene, { found }: ShownTool): Promise<void> {
  const { hash } = needed(found[0], 'another definition of the tool');
  const response = await fetch(`${scene.gate.adminUrl}/tools/accept`, {
    method: 'POST',
    headers: { authorization: `Bearer ${scene.gate.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ route: 'parcels', tool: 'track_parcel', hash, reason: 'only the wording' }),
  });
  if (response.status !== 200) throw new Error(`POST /tools/accept answered ${response.status}`);
}

const said = ({ content }: ToolAnswer) => content.map(({ text = '' }) => text).join('\n');

/** A refusal of the gate as models get it: an answer that says what is wrong. Gives the members of the denial. */
async function refusedTool(
  scene: Scene,
  step: Step,
  refusal: { readonly code: 'args_invalid' | 'tool_drifted'; readonly reason?: string },
  call: () => Promise<ToolAnswer>,
): Promise<Members> {
  const before = scene.receivedCounts();
  const answer = await call();
  const members = (answer.structuredContent ?? {}) as Members;
  step.equal([answer.isError, members.code], [true, refusal.code], 'an error, and its code');
  step.holds(said(answer).length > 20, 'a model can read what is wrong');
  await checkRefusal(scene, step, { ...refusal, before, members });
  return members;
}

export async function tools(scene: Scene): Promise<void> {
  const { world, story } = scene;
  const { parcels, refunds } = world;
  // A data directory remembers what an earlier run of the story has accepted: the definition as it was changed there.
  await story.step(chapter, 'an agent with the SDK of MCP sees exactly the tools of its task', async (step) => {
    const standing = await shown(scene);
    if (standing.state === 'drifted') await accept(scene, standing);
    step.equal((await seenAs(scene, 'accepted')).state, 'accepted', 'the tool of the carrier');
    const task = await scene.task();
    await using mine = await connectTools(scene.gate.url, task);
    const names = (await mine.list()).map(({ name }) => name);
    const wanted = task.tools.filter((name) => name !== 'planner.chat').map((name) => name.replace('.', '__'));
    step.equal(names.toSorted(), wanted.toSorted(), 'the tools it sees');
    step.holds(names.includes(tool) && !names.includes('parcels__reroute_parcel'), 'the carrier has one more');
    step.note = `${names.length} tools of ${new Set(names.map((name) => name.split('__')[0])).size} routes`;
  });

  await story.step(chapter, 'it calls tools over MCP, of an MCP server and of an HTTP service', async (step) => {
    const task = await scene.task();
    await using mine = await connectTools(scene.gate.url, task);
    const answer = await mine.call(tool, order);
    step.holds(said(answer).includes('signed for'), `what the carrier says: ${said(answer)}`);
    const received = needed(parcels.received.at(-1), 'what the carrier received');
    const claims = claimsOf(String(received.headers['txn-token'] ?? 'x.e30.x'));
    step.equal(
      [received.headers['x-service-key'], claims.sub, claims.req_wl],
      [parcels.key, customerId, coordinatorId],
      'the key, and sub and req_wl of the Txn-Token',
    );
    const customer = await mine.call('orders__get_customer', { path: { customer_id: customerId } });
    step.equal(customer.isError ?? false, false, 'whether the HTTP service refused');
    step.holds(said(customer).includes(customerId), 'it answered as ever');
    const [types] = await trailOf(scene, task.task_id, 'parcels.track_parcel');
    step.equal(types, ['intent', 'outcome'], 'the audit events of the call');
    step.note = said(answer);
  });

  await story.step(chapter, 'a parameter that the model made up never leaves the gate', async (step) => {
    const task = await scene.task();
    await using mine = await connectTools(scene.gate.url, task);
    const members = await refusedTool(scene, step, { code: 'args_invalid' }, () =>
      mine.call(tool, { orderid: 'A-1001' }),
    );
    step.note = members.reasons?.map(({ message }) => message).join(' ') ?? '';
    step.holds(step.note.includes('did you mean order_id?'), `the nearest name is told: ${step.note}`);
    step.equal((await mine.call(tool, order)).isError ?? false, false, 'whether the name that was told is refused');
  });

  await story.step(chapter, 'a tool that changes is tool_drifted until the operator accepts it', async (step) => {
    const task = await scene.task();
    await using mine = await connectTools(scene.gate.url, task);
    const described = parcels.description;
    parcels.description = `${described} Times are those of the depot.`;
    const drifted = await seenAs(scene, 'drifted');
    step.equal(
      [drifted.state, drifted.found[0]?.changes.map(({ where }) => where)],
      ['drifted', ['/description']],
      'the tool, and what is new',
    );
    // Connected anew: the SDK keeps a list for as long as the gate says, which is half a minute.
    const names = async () => {
      await using fresh = await connectTools(scene.gate.url, task);
      return (await fresh.list()).map(({ name }) => name);
    };
    step.holds(!(await names()).includes(tool), 'it is not listed');
    const members = await refusedTool(scene, step, { code: 'tool_drifted', reason: 'definition_changed' }, () =>
      mine.call(tool, order),
    );
    await accept(scene, drifted);
    step.holds((await names()).includes(tool), 'it is listed once it is accepted');
    step.equal((await mine.call(tool, order)).isError ?? false, false, 'whether it is refused then');
    step.note = members.message ?? '';
  });

  await story.step(chapter, 'a refund that is asked for twice under one Idempotency-Key is paid once', async (step) => {
    const task = await scene.task();
    const paid = refunds.paid.length;
    const request = {
      ...{ method: 'POST', path: '/tools/refunds/refunds' },
      body: { customer_id: customerId, order_id: 'A-1002', amount_cents: 6_000 },
    };
    const ask = (more: object = {}) =>
      callThroughGate(
        scene.gate.url,
        task.task_token,
        { ...request, body: { ...request.body, ...more } },
        { 'idempotency-key': '"return-of-A-1002"' },
      );
    const first = await ask();
    const again = await ask();
    step.equal([first.status, again.status, again.body], [201, 201, first.body], 'both answers');
    step.equal(
      [first, again].map(({ headers }) => headers.get('idempotent-replayed')),
      [null, 'true'],
      'idempotent-replayed',
    );
    const other = await ask({ amount_cents: 7_000 });
    step.equal([other.status, other.body?.code], [422, 'args_invalid'], 'another refund under that key');
    step.equal(refunds.paid.length, paid + 1, 'refunds paid');
    step.equal((await scene.taskView(task)).budget.spent.calls, 1, 'calls that the task was charged for');
  });
}

/** The types of the events of each call of an operation in a task, once the last has its outcome. */
async function trailOf(scene: Scene, task: string, operation: string): Promise<readonly (readonly string[])[]> {
  const events = await scene.eventsUntil({ task, operation }, (found) => found.some(({ type }) => type === 'outcome'));
  const calls = Map.groupBy(events, ({ call }) => call);
  return [...calls.values()].map((of) => of.map(({ type }) => type));
}
