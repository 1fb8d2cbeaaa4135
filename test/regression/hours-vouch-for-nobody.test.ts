/** A rule that lets writes through by what the agent says passed the lint as soon as it looked at the clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { lintBundle } from '../../src/policy/lint/lint.ts';
import { opaPath } from '../unit/policy/bundles.ts';

const codesOf = async (condition: string) => {
  const text = `package tollgate.call\n\nallow if {\n\tinput.call.arguments.approved == true\n\t${condition}\n}\n`;
  const files = [{ path: 'call.rego', content: Buffer.from(text) }];
  const { signal } = new AbortController();
  const faults = await lintBundle({ files, world: null, opa: opaPath(), clock: systemClock(), signal });
  return faults.map(({ code }) => code);
};

for (const condition of [
  'input.time.hour < 24',
  'input.gateway.region != ""',
  'input.task.expires_at_ms > input.time.unix_ms',
]) {
  test(`a write rests on nobody who says so: ${condition}`, async () => {
    assert.deepEqual(await codesOf(condition), ['asserted_only']);
  });
}

for (const condition of ['input.agent.id == "refunds"', 'count(input.findings) == 0', 'input.call.repeats < 2']) {
  test(`a write rests on what somebody else says: ${condition}`, async () => {
    assert.deepEqual(await codesOf(condition), []);
  });
}
