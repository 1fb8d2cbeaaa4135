/** Small bundles, and what `tollgate policy replay` finds with one as its candidate: for tests over the trail of a gate. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ReplayReport } from '../../src/policy/replay/replay.ts';
import { partPath } from '../parts.ts';
import type { World } from './world.ts';

const commandLine = resolve(import.meta.dirname, '../../src/cli/main.ts');

const taskRules = `package tollgate.task

decision := {"allow": true, "reasons": [], "grant": {"labels": object.union(input.task.labels, {"desk": "north"})}}
`;
/** Refers to nothing that costs anything. */
const callRules = `package tollgate.call

decision := {"allow": count(deny) == 0, "reasons": [reason | some reason in deny], "obligations": obligations}

deny contains {"code": "never_delete", "message": "Nothing is deleted."} if input.call.effect == "delete"

default obligations := {}

obligations := {"drop": ["/body/note"]} if input.call.effect == "write"
`;
export const responseRules = `package tollgate.response

decision := {"allow": count(deny) == 0, "reasons": [reason | some reason in deny]}

deny contains {"code": "refused_there", "message": "The service refused."} if input.response.status == 404
`;

export interface Rules {
  readonly call?: string;
  readonly response?: string;
}

export async function bundleAt(folder: string, { call = '', response = '' }: Rules): Promise<string> {
  const files = {
    'tollgate/task/decision.rego': taskRules,
    'tollgate/call/decision.rego': callRules + call,
    'tollgate/response/decision.rego': responseRules + response,
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

/** What the command finds with these rules as its candidate. */
export async function replayOn(world: World, folder: string, rules: Rules, ...more: string[]): Promise<ReplayReport> {
  const bundle = await bundleAt(await mkdtemp(join(folder, 'candidate-')), rules);
  const argv = ['policy', 'replay', '--bundle', bundle, '--config', world.configFile, '--json', ...more];
  const env = { ...process.env, TOLLGATE_OPA: partPath('opa') ?? '' };
  const child = spawn(process.execPath, [commandLine, ...argv], { env });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk) => (said.out += chunk));
  child.stderr.on('data', (chunk) => (said.err += chunk));
  await once(child, 'close');
  assert.equal(said.err, '');
  return JSON.parse(said.out) as ReplayReport;
}
