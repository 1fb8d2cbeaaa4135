/**
 * One sink, told by a gateway's engine and by a real OPA about the same decisions under the same bundle: whoever reads
 * the reports of one reads those of the other. OPA runs the bundle's Rego, the gateway its WASM, mask and drop included.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openPolicyReport } from '../../src/assembly/policy-report.ts';
import type { Json, JsonObject } from '../../src/call.ts';
import { systemClock } from '../../src/clock.ts';
import { parseBundle } from '../../src/policy/bundle.ts';
import { LoadedBundle } from '../../src/policy/instance.ts';
import { logPolicyOf } from '../../src/policy/report/log-policy.ts';
import type { BundleStatus } from '../../src/policy/report/status.ts';
import { type Document, LogSink } from '../fakes/log-sink.ts';
import { part } from '../parts.ts';
import { callDocument, opaPath, temporaryFolder } from '../unit/policy/bundles.ts';
import { decidedOn, settings } from '../unit/policy/report/decided.ts';
import { serverOf } from '../unit/policy/served.ts';
import { opaBundle } from '../unit/policy/signed.ts';
import { freePort } from './free-port.ts';

const regoPath = '/bundles/team-rego.tar.gz';

const systemLog = `package system.log

mask contains "/input/call/arguments/body/note"

mask contains "/input/call/arguments/body/lines/1"

mask contains "/input/call/arguments/body/never_there"

mask contains {"op": "upsert", "path": "/input/subject/id", "value": "**"} if input.result.allow

mask contains "/result/reasons/0/message"

drop if input.input.call.operation == "orders.ping"
`;

const release = {
  mark: 'r1',
  files: { 'system/log/log.rego': systemLog },
  roots: ['system/log'],
  entrypoints: ['system/log/mask', 'system/log/drop'],
};

/** A running OPA that follows the Rego bundle of `bundles` and reports to `sink`; gives what asks it. */
async function opaOn(t: TestContext, bundles: string, sink: LogSink): Promise<(input: JsonObject) => Promise<Json>> {
  const folder = await temporaryFolder(t);
  const port = await freePort();
  const config = {
    services: { bundles: { url: bundles }, sink: { url: sink.url } },
    labels: { gateway: 'opa', region: 'westeurope', cloud: 'azure' },
    bundles: { team: { service: 'bundles', resource: regoPath.slice(1) } },
    decision_logs: { service: 'sink', reporting: { min_delay_seconds: 1, max_delay_seconds: 1 } },
    status: { service: 'sink' },
  };
  await writeFile(join(folder, 'opa.json'), JSON.stringify(config));
  // Without its log of requests it knows neither `requested_by` nor `req_id`.
  const args = ['run', '--server', '--addr', `127.0.0.1:${port}`, '--log-level', 'info'];
  const child = spawn(opaPath(), [...args, '--config-file', join(folder, 'opa.json')], { stdio: 'ignore' });
  t.after(async () => {
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
  });
  return async (input) => {
    const body = JSON.stringify({ input });
    const response = await fetch(`http://127.0.0.1:${port}/v1/data/tollgate/call/decision`, { method: 'POST', body });
    return ((await response.json()) as { result: Json }).result;
  };
}

/** The type of each member, for those whose names are the format's and not the data's. */
function shapeOf(event: Document): Record<string, string> {
  const kind = (value: unknown) => (Array.isArray(value) ? 'array' : typeof value);
  return Object.fromEntries(Object.entries(event).map(([name, value]) => [name, kind(value)]));
}

const sorted = (pointers: unknown) => (pointers as string[] | undefined)?.toSorted();
const byGateway = (gateway: string) => (document: Document) =>
  (document.labels as { gateway: string }).gateway === gateway;

test(
  'decision logs and status of the gate are what a real OPA sends of the same decisions [policy.decision-logs-as-opa]',
  part('opa'),
  async (t) => {
    await using sink = await LogSink.open();
    const wasm = await opaBundle(t, release);
    const server = await serverOf(t, wasm, false, { [regoPath]: await opaBundle(t, { ...release, target: 'rego' }) });
    const ask = await opaOn(t, server.url, sink);
    await sink.until(
      () => sink.statuses.some(({ bundles }) => JSON.stringify(bundles ?? {}).includes('"active_revision":"r1"')),
      'OPA says that it has the bundle',
    );

    const inputs = [
      callDocument({ arguments: { body: { note: 'n', amount: 7, lines: ['a', 'b', 'c'] } } }),
      callDocument({ arguments: { body: { amount: 7, lines: ['a'] } } }),
      callDocument({ operation: 'orders.ping' }),
      callDocument({ arguments: { body: 'a text', path: { customer_id: 'C' } } }),
    ] as unknown as JsonObject[];

    const loaded = await LoadedBundle.load(await parseBundle(wasm));
    const clock = systemClock();
    const at = clock.nowMs();
    const standing: BundleStatus = {
      ...{ name: 'team', activeRevision: loaded.revision, decides: true, sizeBytes: wasm.length, fault: null },
      ...{ lastRequestMs: at, lastSuccessfulRequestMs: at, lastSuccessfulDownloadMs: at },
      lastSuccessfulActivationMs: at,
    };
    await using report = openPolicyReport({
      config: {
        decision_logs: { ...settings, url: sink.logs, min_delay_seconds: 1, max_delay_seconds: 1 },
        status: { url: sink.status, interval_seconds: 60, timeout_seconds: 5 },
      },
      place: { id: 'gate-1', region: 'westeurope', cloud: 'azure' },
      ...{ clock, log: () => undefined, redact: (value: Json) => value },
      logPolicy: () => logPolicyOf(loaded),
      bundles: () => [standing],
      policyChanged: new Set(),
    });
    for (const input of inputs) {
      const bytes = new TextEncoder().encode(JSON.stringify(input)).buffer;
      const said = loaded.evaluate('call', bytes) as { allow: boolean; reasons: { code: string; message: string }[] };
      assert.deepEqual(await ask(input), said, 'both decide the same');
      report.record({ ...decidedOn({}, { ...said, input, bundle: 'team', revision: loaded.revision }), trace: null });
    }

    const of = (gateway: string) => sink.events.filter(byGateway(gateway));
    await sink.until(() => of('opa').length === 3 && of('gate-1').length === 3, 'both report three of four decisions');
    assert.equal(report.counts().decisions?.unwanted, 1);
    for (const [index, theirs] of of('opa').entries()) {
      const { custom, ...ours } = of('gate-1')[index] as Document;
      assert.deepEqual(shapeOf(ours), shapeOf(theirs));
      assert.deepEqual(custom, { call_id: 'call_1', task_id: 'task_1' });
      for (const member of ['input', 'path', 'bundles'] as const)
        assert.deepEqual(ours[member], theirs[member], member);
      const { obligations, ...result } = ours.result as Record<string, unknown>;
      assert.deepEqual(result, theirs.result);
      assert.deepEqual(obligations, {});
      assert.deepEqual(sorted(ours.erased), sorted(theirs.erased));
      assert.deepEqual(ours.masked, theirs.masked);
      assert.equal(typeof (ours.metrics as JsonObject).timer_rego_query_eval_ns, 'number');
      assert.equal(typeof (theirs.metrics as JsonObject).timer_rego_query_eval_ns, 'number');
    }
    assert.deepEqual(of('opa')[0]?.masked, ['/input/subject/id'], 'the mask was at work');
    assert.equal(sorted(of('opa')[0]?.erased)?.length, 3);

    await sink.until(() => sink.statuses.some(byGateway('gate-1')), 'the gate says how it stands');
    const ours = sink.statuses.find(byGateway('gate-1')) as Document;
    const theirs = sink.statuses.findLast(byGateway('opa')) as Document;
    const bundleOf = ({ bundles }: Document) => (bundles as Record<string, Document>).team as Document;
    // Metrics of OPA's own compiler are left out.
    const { metrics: _metrics, ...theirBundle } = bundleOf(theirs);
    assert.deepEqual(shapeOf(bundleOf(ours)), shapeOf(theirBundle));
    assert.equal(bundleOf(ours).active_revision, bundleOf(theirs).active_revision);
    assert.equal(bundleOf(ours).type, bundleOf(theirs).type);
    assert.deepEqual((ours.plugins as JsonObject).bundle, (theirs.plugins as JsonObject).bundle);
  },
);
