/**
 * Calls to real public services, made from their OpenAPI documents: what a second validator accepts passes and comes out
 * as it was meant; what has one fault (something missing, hallucinated, of a wrong type, none of an enum) is refused, and
 * its place and kind are told. TOLLGATE_CALLS valid calls, five times as many faulty ones; TOLLGATE_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { isDenial, type Reason } from '../../src/denial.ts';
import { http, httpTools } from '../../src/wire/dialects/http.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';
import { registryOf, routeNamed, seeded } from '../unit/wire/request.ts';
import { type Arguments, type CallTo, callsTo, type Sent, written } from './openapi/calls.ts';
import {
  directoryDocument,
  directoryDocuments,
  documentsPart,
  exampleDocument,
  type OpenApi,
} from './openapi/documents.ts';
import { generatedDocument } from './openapi/generated.ts';
import { type Fault, type Kind, type Site, Values } from './openapi/values.ts';

const seed = Number(process.env.TOLLGATE_SEED ?? 20261121);
const validWanted = Number(process.env.TOLLGATE_CALLS ?? 2000);
const faultyPerValid = 5;
/** Operations of one document that are called: most of the time goes into compiling, here and in the second validator. */
const operationsEach = validWanted > 2000 ? 10_000 : 24;
/** Valid calls through a whole gate. */
const gateWanted = 20;
const both = { ...documentsPart(), ...part('opa') };
const kinds: readonly Kind[] = ['missing', 'hallucinated', 'type', 'enum'];
const examples = ['3.1/json/train-travel.json', '3.1/json/petstore.json', '3.0/json/petstore.json'];

/** What a message about a fault may say: the text of a parameter is of no type until it is read. */
const codes: Readonly<Record<Kind, readonly string[]>> = {
  missing: ['missing'],
  hallucinated: ['unknown_member', 'unknown_parameter'],
  type: ['type', 'enum', 'shape', 'format', 'pattern', 'constraint'],
  enum: ['enum', 'type', 'shape', 'format', 'pattern', 'length'],
};

interface Drawn {
  readonly call: CallTo;
  readonly args: Arguments;
  readonly sent: Sent;
  readonly fault?: Fault;
}

/** Draws valid calls and faulty ones, as many as are asked for. */
function* drawn(calls: readonly CallTo[], wanted: number, random: () => number): Generator<Drawn> {
  let found = 0;
  for (let tries = 0; found < wanted && tries < wanted * 20; tries++) {
    const call = calls[Math.floor(random() * calls.length)] as CallTo;
    const values = new Values(call.judge, random);
    const args = values.valid() as Arguments | undefined;
    const sent = args === undefined ? undefined : written(call, args);
    if (args === undefined || sent === undefined) continue;
    const faulty: Drawn[] = [];
    for (let count = 0; faulty.length < faultyPerValid && count < faultyPerValid * 3; count++) {
      const kind = kinds[count % kinds.length] as Kind;
      const fault = values.faulty(args, kind, (site) => isSendable(kind, site));
      // A path without a value is another path; text in a place for text has no wrong type.
      if (fault === undefined) continue;
      const wrong = written(call, fault.value as Arguments);
      if (wrong === undefined || isSame(wrong, sent)) continue;
      faulty.push({ call, args: fault.value as Arguments, sent: wrong, fault });
    }
    if (faulty.length < faultyPerValid) continue;
    found++;
    yield { call, args, sent };
    yield* faulty;
  }
}

/** Whether a request can have this fault: what is written as text has no wrong type but the wrong text. */
function isSendable(kind: Kind, { path, put }: Site): boolean {
  if (path.startsWith('/body')) return !(kind === 'missing' && path === '/body');
  if (/^\/[^/]*$/.test(path) || typeof put === 'object') return false;
  if (path.startsWith('/path')) return kind === 'type' || kind === 'enum';
  return !(kind === 'hallucinated' && path.startsWith('/headers'));
}

function isSame(one: Sent, other: Sent): boolean {
  return (
    one.path === other.path &&
    one.query === other.query &&
    one.body.equals(other.body) &&
    JSON.stringify(one.headers) === JSON.stringify(other.headers)
  );
}

/** Whether a denial tells of the fault: its kind at its place, or of the alternatives around it. */
function tells(reasons: readonly Reason[], { kind, path, inChoice }: Fault): boolean {
  const place = path.split('/');
  return reasons.some(({ code, path: told = '' }) => {
    const tokens = told.split('/');
    const isThere = tokens.every((token, at) => token === place[at] || token === '{}' || /\W/.test(place[at] ?? ''));
    if (isThere && tokens.length === place.length && codes[kind].includes(code)) return true;
    return inChoice && isThere;
  });
}

function judged(
  route: string,
  document: OpenApi,
): { readonly calls: readonly CallTo[]; readonly resolve: (sent: Sent) => ReturnType<typeof resolved> } {
  const named = routeNamed(route, 'http');
  const { operations, faults } = httpTools.operations(named, { openapi: document, operations: {} });
  assert.deepEqual(faults, [], route);
  const registry = registryOf([named], operations);
  return { calls: callsTo(document), resolve: (sent) => resolved(registry, route, sent) };
}

function resolved(registry: ReturnType<typeof registryOf>, route: string, { path, ...rest }: Sent) {
  const parsed = http.parse({ ...rest, path: `/tools/${route}${path}` });
  return isDenial(parsed) ? parsed : parsed.resolve(registry);
}

function check(name: string, document: OpenApi, wanted: number, random: () => number): number {
  const { calls: all, resolve } = judged('service', document);
  const calls = all
    .map((call) => ({ call, at: random() }))
    .sort((one, other) => one.at - other.at)
    .slice(0, operationsEach)
    .map(({ call }) => call);
  let valid = 0;
  const wrong: string[] = [];
  for (const { call, args, sent, fault } of drawn(calls, wanted, random)) {
    if (fault === undefined) valid++;
    const why = faultOf(resolve(sent), args, fault);
    if (why !== undefined) wrong.push(`${name} ${call.method} ${sent.path}?${sent.query} ${sent.body}: ${why}`);
  }
  assert.deepEqual(wrong.slice(0, 20), [], `seed ${seed}, ${wrong.length} wrong`);
  return valid;
}

/** What is not as promised about the outcome of a call. */
function faultOf(outcome: ReturnType<typeof resolved>, args: Arguments, fault: Fault | undefined): string | undefined {
  if (fault === undefined) {
    if (isDenial(outcome)) return `is refused: ${JSON.stringify(outcome.reasons)}`;
    return isDeepStrictEqual(outcome.payload.args, args)
      ? undefined
      : `is read as ${JSON.stringify(outcome.payload.args)}`;
  }
  const meant = `${fault.kind} ${fault.path}`;
  if (!isDenial(outcome)) return `${meant}: passes`;
  if (outcome.code !== 'args_invalid') return `${meant}: ${outcome.code}`;
  return tells(outcome.reasons, fault) ? undefined : `${meant}: told is ${JSON.stringify(outcome.reasons)}`;
}

describe('calls made from the documents of real services', () => {
  test(
    '[wire.documents-judge-calls] valid ones pass, and faulty ones are refused for their fault',
    documentsPart(),
    (context) => {
      const random = seeded(seed);
      let valid = 0;
      for (const [index, name] of directoryDocuments.entries()) {
        // What one document falls short of is made up for by the next.
        const wanted = Math.ceil((validWanted - valid) / (directoryDocuments.length - index));
        valid += check(name, directoryDocument(name), wanted, random);
      }
      context.diagnostic(`seed ${seed}: ${valid} valid and ${valid * faultyPerValid} faulty calls`);
      assert.ok(valid >= validWanted, `${valid} valid calls`);
    },
  );

  test('[wire.documents-judge-calls] the same for generated schemas', () => {
    const random = seeded(seed + 1);
    for (let count = 0; count < 3; count++) assert.equal(check('generated', generatedDocument(random), 60, random), 60);
  });

  test('the same for documents of examples', () => {
    for (const name of examples) assert.ok(check(name, exampleDocument(name), 40, seeded(seed)) >= 40, name);
  });

  test('[wire.documents-judge-calls] at a gate nothing of a faulty call reaches the service', both, async () => {
    const document = directoryDocument('github.com/api.github.com.json');
    const file = join(await mkdtemp(join(tmpdir(), 'tollgate-github-')), 'github.json');
    await writeFile(file, JSON.stringify(document));
    await using world = await World.open({
      rows: { orders: { openapi: file, operations: {} } },
      config: { limits: { answer_bytes: 1_000_000 } },
    });
    const task = await world.task({ budget: { calls: 1000 } });
    const sent: string[] = [];
    for (const { sent: request, fault } of drawn(callsTo(document).slice(0, 40), gateWanted, seeded(seed))) {
      const { method, path, query, headers, body } = request;
      const init = { method, headers, ...(body.length === 0 ? {} : { body: new Uint8Array(body) }) };
      const response = await world.fetch(`/tools/orders${path}${query === '' ? '' : `?${query}`}`, task.token, init);
      const told = (await response.json()) as { readonly code?: string; readonly reasons?: readonly Reason[] };
      if (fault === undefined) {
        assert.equal(response.status, 200, JSON.stringify(told));
        sent.push(`${method} ${path} ${body}`);
      } else {
        assert.deepEqual([response.status, told.code], [422, 'args_invalid'], `${method} ${path}?${query}`);
        assert.ok(tells(told.reasons ?? [], fault), JSON.stringify(told.reasons));
      }
    }
    const got = world.orders.received.map(({ method, url, body }) => `${method} ${url.split('?')[0]} ${body}`);
    assert.deepEqual(got, sent);
    assert.equal(sent.length, gateWanted);
    const events = await world.events({ task: task.id });
    assert.equal(events.filter(({ type }) => type === 'intent').length, gateWanted);
    assert.equal(events.filter(({ type }) => type === 'denial').length, gateWanted * faultyPerValid);
    await rm(dirname(file), { recursive: true });
  });
});
