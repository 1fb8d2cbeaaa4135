/** The Dockerfile of the gate, read: what the tests of the container and of compose hold against it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

export interface Instruction {
  readonly word: string;
  readonly rest: string;
}

export interface Stage {
  readonly base: string;
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

/** The stages of a Dockerfile. Throws on a line that is no instruction. */
function readStages(text: string): Stage[] {
  const lines = text.replaceAll(/\\\n\s*/g, ' ').split('\n');
  const stages: { base: string; name: string; instructions: Instruction[] }[] = [];
  for (const line of lines.map((one) => one.trim()).filter((one) => one !== '' && !one.startsWith('#'))) {
    const [, word = '', rest = ''] = /^([A-Z]+) +(.+)$/.exec(line) ?? assert.fail(`no instruction: ${line}`);
    if (word === 'FROM') {
      const [, base = '', name = ''] = /^(\S+) AS (\S+)$/.exec(rest) ?? assert.fail(`a stage without a name: ${line}`);
      stages.push({ base, name, instructions: [] });
    } else (stages.at(-1) ?? assert.fail(`before the first FROM: ${line}`)).instructions.push({ word, rest });
  }
  return stages;
}

export const stages: readonly Stage[] = readStages(readFileSync(join(root, 'deploy/container/Dockerfile'), 'utf8'));

/** The stage that is the gate's image. */
export const last: Stage = stages.at(-1) ?? assert.fail('the Dockerfile has no stage');

export function stage(name: string): Stage {
  return stages.find((one) => one.name === name) ?? assert.fail(`there is no stage ${name}`);
}

export function values(of: Stage, word: string): string[] {
  return of.instructions.filter((one) => one.word === word).map(({ rest }) => rest);
}

/** An instruction of the last stage in its JSON form: HEALTHCHECK's command, ENTRYPOINT, CMD. */
export function command(word: string): string[] {
  const [text = ''] = values(last, word);
  return JSON.parse(text.slice(text.indexOf('['))) as string[];
}
