/** Runs a trail until it is killed: durable intents without end, an outcome for every second one. */
import type { CheckpointSigner } from '../../../src/audit/checkpoint.ts';
import { systemClock } from '../../../src/clock.ts';
import { event, trailOn } from './fixture.ts';

const [dataDir, signer] = process.argv.slice(2) as [string, string];
const trail = trailOn(dataDir, JSON.parse(signer) as CheckpointSigner, { clock: systemClock() });
await trail.open();
for (let call = 1; ; call++) {
  const facts = { call: `call_${call}`, task: 'task_1', operation: 'orders.get' };
  await trail.append(event({ type: 'intent', ...facts }), { durable: true });
  process.stdout.write(`call_${call}\n`);
  if (call % 2 === 0) await trail.append(event({ type: 'outcome', ...facts }), { durable: false });
}
