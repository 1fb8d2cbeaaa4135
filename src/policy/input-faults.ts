/**
 * What is wrong with an input that a person wrote, place by place. It finds what the check before a decision finds, which
 * stops at the first fault. What a reader would get wrong: what it says is recorded, so it names places and what belongs
 * there, never values, nor names that could be data.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Json, JsonObject } from '../call.ts';
import { child, pointerTokens } from '../wire/pointer.ts';
import { isPlainName } from '../wire/segments.ts';
import { type InputPart, inputParts } from './input-parts.ts';
import type { Phase } from './instance.ts';
import { callInputSchema, responseInputSchema, taskInputSchema } from './schemas.ts';

export interface InputFault {
  /** JSON pointer into the input; a name that could be data stands as `{}`. */
  readonly path: string;
  readonly message: string;
}

const faultsMax = 20;
/** Of a larger input the first fault is told: each of a hundred thousand items may be one. */
const wholeCharsMax = 65_536;

/** The parts that every whole input has, and a value for each that fits. */
const standIns: Readonly<Partial<Record<InputPart, Json>>> = {
  'agent.claims': {},
  'subject.claims': {},
  'task.labels': {},
  'task.history': [],
  'task.counts': {},
  'call.arguments': {},
  'call.tools': [],
  'call.provenance': {},
  'response.headers': {},
};

type Checks = Readonly<Record<Phase, ValidateFunction>>;

export class InputFaults {
  readonly #all = checksWith(true);
  readonly #first = checksWith(false);

  /** The first twenty; none for an input of this phase, in which parts may be missing (see `missingParts`). */
  of(phase: Phase, input: JsonObject): readonly InputFault[] {
    const whole = filled(phase, input);
    if (this.#first[phase](whole)) return [];
    const validate = JSON.stringify(input).length <= wholeCharsMax ? this.#all[phase] : this.#first[phase];
    validate(whole);
    const told = new Map<string, InputFault>();
    for (const error of validate.errors ?? []) {
      // What may be null is a union, whose branches complain for themselves.
      if (error.keyword === 'anyOf' || (error.keyword === 'type' && error.params.type === 'null')) continue;
      const fault = faultOf(error);
      if (told.size < faultsMax) told.set(`${fault.path} ${fault.message}`, fault);
    }
    return told.size > 0 ? [...told.values()] : [{ path: '', message: `is not an input of the phase ${phase}` }];
  }
}

/** Members that a gate may leave out of an input, and that are not in this one. Of a task nothing is left out. */
export function missingParts(phase: Phase, input: JsonObject): readonly InputPart[] {
  return inputParts.filter((part) => {
    const [parent = '', member = ''] = part.split('.');
    if (phase === 'task' || !Object.hasOwn(standIns, part)) return false;
    const holder = input[parent];
    return isObject(holder) && !Object.hasOwn(holder, member);
  });
}

function filled(phase: Phase, input: JsonObject): JsonObject {
  const whole: Record<string, Json> = { ...input };
  for (const part of missingParts(phase, input)) {
    const [parent = '', member = ''] = part.split('.');
    whole[parent] = { ...(whole[parent] as JsonObject), [member]: standIns[part] as Json };
  }
  return whole;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checksWith(allErrors: boolean): Checks {
  const ajv = new Ajv({ allErrors, strict: true, strictTuples: false });
  return {
    task: ajv.compile(taskInputSchema),
    call: ajv.compile(callInputSchema),
    response: ajv.compile(responseInputSchema),
  };
}

function faultOf({ instancePath, keyword, params, message }: ErrorObject): InputFault {
  const path = (pointerTokens(instancePath) ?? []).reduce(shownChild, '');
  switch (keyword) {
    case 'additionalProperties':
      return { path: shownChild(path, String(params.additionalProperty)), message: 'there is no such member' };
    case 'required':
      return { path: shownChild(path, String(params.missingProperty)), message: 'is needed' };
    case 'type':
      return { path, message: `must be ${String(params.type).replaceAll(',', ' or ')}` };
    case 'const':
      return { path, message: `must be ${JSON.stringify(params.allowedValue)}` };
    case 'enum':
      return { path, message: `must be one of: ${(params.allowedValues as unknown[]).join(', ')}` };
    default:
      return { path, message: message ?? 'is not valid' };
  }
}

function shownChild(path: string, name: string): string {
  return child(path, isPlainName(name) ? name : '{}');
}
