/**
 * The policy playground of the admin plane: people look at what a decision was made on, and ask what the policies that
 * are loaded here say of an input that they wrote. What a reader would get wrong: nothing is decided by it. No call, task
 * or history knows of an evaluation; only the trail holds that somebody asked, without what they asked about.
 */
import type { Decision, Json, JsonObject } from '../call.ts';
import { type Denial, deny, isDenial, type Reason } from '../denial.ts';
import { inputBytesMax, inputDepthMax } from '../policy/check.ts';
import type { Explained, ExplainedQuestion, Unexplained } from '../policy/explain.ts';
import type { InputFault } from '../policy/input-faults.ts';
import type { Phase } from '../policy/instance.ts';
import type { SourceFile } from '../policy/sources.ts';
import { parseJson } from '../wire/json.ts';
import { child, pointerTokens } from '../wire/pointer.ts';
import { isPlainName } from '../wire/segments.ts';
import type { AdminAnswers } from './admin-routes.ts';
import type { RecordedInputs } from './recorded-inputs.ts';
import { jsonReply } from './reply.ts';

/** What one side says of an input; `candidate` is the bundle that is being rolled out. */
export interface TriedOut {
  readonly side: 'active' | 'candidate';
  readonly decision: Pick<Decision, 'allow' | 'reasons' | 'obligations' | 'bundle' | 'revision'>;
  /** What a task would get, of an input of the phase `task` that is allowed. */
  readonly grant?: JsonObject;
  /** Members that are missing in the input although rules of this side refer to them. */
  readonly wanting: readonly string[];
  /** What its bundle was made of; empty where nothing is known of that. */
  readonly sources: readonly SourceFile[];
}

export interface AdminPlaygroundPorts {
  readonly inputs: RecordedInputs;
  readonly faults: (phase: Phase, input: JsonObject) => readonly InputFault[];
  /** Has no effect. Denies `policy_unavailable` where no policy is in force. */
  readonly tryOut: (phase: Phase, input: JsonObject) => readonly TriedOut[] | Denial;
  readonly explain: (question: ExplainedQuestion) => Promise<Explained | Unexplained>;
}

const phases: readonly string[] = ['task', 'call', 'response'] satisfies readonly Phase[];
/** The members around the input. */
const frameBytesMax = 256;
const valuesMax = 200_010;

/** The answers of `/policy/inputs` and `/policy/evaluate`. */
export function adminPlayground({
  inputs,
  faults,
  tryOut,
  explain,
}: AdminPlaygroundPorts): AdminAnswers<`policy.${'inputs' | 'input' | 'evaluate'}`> {
  return {
    'policy.inputs': async ({ query }) => {
      const found = await inputs.list(query);
      return { reply: isDenial(found) ? found : jsonReply(200, found) };
    },
    'policy.input': async ({ id }) => {
      const found = await inputs.find(id);
      if (isDenial(found)) return { reply: found };
      return { reply: jsonReply(200, found.document), about: { task: found.task, notes: { event: id } } };
    },
    'policy.evaluate': async ({ body }) => {
      const asked = questionOf(body);
      if (isDenial(asked)) return { reply: asked };
      const { phase, input, explained } = asked;
      const about = { notes: { phase } };
      const found = faults(phase, input);
      if (found.length > 0) return { reply: unfit(found.map(reasonOf)), about };
      const tried = tryOut(phase, input);
      if (isDenial(tried)) return { reply: tried, about };
      const sides = await Promise.all(
        tried.map(async (side) => {
          const { sources: files, decision } = side;
          if (!explained) return sideDocument(side, null);
          if (files.length === 0) return sideDocument(side, { unavailable: 'The bundle holds no sources.' });
          return sideDocument(side, await explain({ phase, input, files, decision }));
        }),
      );
      return { reply: jsonReply(200, { phase, sides }), about };
    },
  };
}

interface AskedQuestion {
  readonly phase: Phase;
  readonly input: JsonObject;
  readonly explained: boolean;
}

/** Denies 400 for no JSON, 413 beyond 1 MiB, 422 for another document; the reasons say where. */
function questionOf(body: Buffer): AskedQuestion | Denial {
  if (body.length > inputBytesMax + frameBytesMax) {
    return deny('too_large', `An input may hold ${inputBytesMax} bytes.`);
  }
  const read = parseJson(body, { depth: inputDepthMax + 1, values: valuesMax });
  if ('fault' in read) {
    const { message, offset, pointer } = read.fault;
    const where = offset === null ? '' : `, at byte ${offset} of the body`;
    const reason: Reason = { code: 'invalid', message: `${message}${where}` };
    return deny('request_invalid', `Expected a JSON document: ${message}${where}.`, {
      reasons: [pointer === null ? reason : { ...reason, path: shown(pointer) }],
    });
  }
  if (!isObject(read.value)) return unfit([invalid('', 'must be an object with the members phase and input')]);
  const { phase, input, explain = false, ...rest } = read.value;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    return unfit([{ ...invalid(shown(child('', unknown)), 'there is no such member'), code: 'unknown_field' }]);
  if (typeof phase !== 'string' || !phases.includes(phase)) {
    return unfit([invalid('/phase', `must be one of: ${phases.join(', ')}`)]);
  }
  if (!isObject(input)) return unfit([invalid('/input', 'must be an object: an input as policies see it')]);
  if (typeof explain !== 'boolean') return unfit([invalid('/explain', 'must be true or false')]);
  return { phase: phase as Phase, input, explained: explain };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sideDocument(
  { side, decision, grant, wanting }: TriedOut,
  explanation: Explained | Unexplained | null,
): JsonObject {
  const { bundle, revision } = decision;
  const said = { ...documentOf(decision), ...(grant === undefined ? {} : { grant }) };
  return { side, bundle, revision, decision: said, wanting, ...rulesOf(explanation) };
}

function documentOf({ allow, reasons, obligations }: Pick<Decision, 'allow' | 'reasons' | 'obligations'>): JsonObject {
  return {
    allow,
    reasons: reasons.map((reason) => ({ ...reason })),
    obligations: { ...obligations } as unknown as JsonObject,
  };
}

function rulesOf(explanation: Explained | Unexplained | null): JsonObject {
  if (explanation === null) return {};
  if ('unavailable' in explanation) return { rules_unavailable: explanation.unavailable };
  const { rules, cut, compared, mismatch } = explanation;
  return {
    rules: rules.map((rule) => ({ ...rule })),
    ...(cut ? { rules_cut: true } : {}),
    compared,
    mismatch: mismatch !== null,
    ...(mismatch === null ? {} : { opa_decision: documentOf(mismatch) }),
  };
}

function invalid(path: string, message: string): Reason {
  return { code: 'invalid', message, path };
}

function reasonOf({ path, message }: InputFault): Reason {
  return invalid(`/input${path}`, message);
}

function unfit(reasons: readonly Reason[]): Denial {
  return deny('args_invalid', 'The request is not valid.', { reasons });
}

/** Names that could be data do not stand in pointers (see segments.ts): reasons are recorded for ever. */
function shown(pointer: string): string {
  return (pointerTokens(pointer) ?? []).reduce((path, name) => child(path, isPlainName(name) ? name : '{}'), '');
}
