/**
 * Places that the input does not have. OPA's own check finds them only under a METADATA annotation and only where they
 * stand in one reference; this one looks in every file, and through variables.
 */
import { inputsOf, type Missing, missingFrom } from './contract.ts';
import type { Facts, Read } from './facts.ts';
import { type Found, hintOf } from './fault.ts';
import type { Place } from './scope.ts';

export function inputPathFaults({ clause, reads }: Facts): Found[] {
  const inputs = inputsOf(clause.package);
  const faults: Found[] = [];
  for (const read of reads) {
    const { places, complete } = read.resolved;
    if (!complete || places.length === 0) continue;
    const missing = places.map((place) => missingFrom(inputs, place));
    const [first] = missing;
    const [place] = places;
    // What may be several places is wrong only if none of them is there.
    if (first === undefined || place === undefined || missing.includes(undefined)) continue;
    // A name for a place that is not there is told where it is given.
    if (first.index < place.length - read.steps.length) continue;
    const { row, col } = locationOf(read, place, first);
    const message = messageOf(clause.package, place, first);
    faults.push({ file: clause.file, line: row, column: col, code: 'input_unknown', message });
  }
  return faults;
}

function locationOf({ steps, location }: Read, place: Place, { index }: Missing) {
  return steps[index - (place.length - steps.length)] ?? location;
}

/** A place as Rego writes it. */
export function shownPlace(place: Place): string {
  const steps = place.map((step) => {
    if (step === null) return '[_]';
    if (typeof step === 'number') return `[${step}]`;
    return /^[A-Za-z_]\w*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  });
  return `input${steps.join('')}`;
}

function messageOf(packageWords: readonly string[], place: Place, { index, known, holds }: Missing): string {
  const upTo = shownPlace(place.slice(0, index));
  const step = place[index];
  if (holds === 'list') return `${upTo} is a list: expected \`some … in\` or [_] before ${shownStep(step)}`;
  if (holds === 'value') return `${upTo} is no object: there is nothing below it, and no ${shownStep(step)}`;
  const hint = typeof step === 'string' ? hintOf(step, known ?? []) : 'its members have names';
  return `the input of ${packageWords.join('.')} has no ${shownPlace(place.slice(0, index + 1))}; ${hint}`;
}

function shownStep(step: Place[number] | undefined): string {
  return typeof step === 'string' ? step : `[${step ?? '_'}]`;
}
