/** The token route when something behind it fails: OAuth clients are answered in the one form that they read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OauthRoutes, type OauthRoutesPorts } from '../../../src/server/oauth-routes.ts';
import type { TaskVerdict } from '../../../src/task/open.ts';
import { TaskRequests } from '../../../src/wire/task-request.ts';
import { rawRequest } from '../wire/request.ts';

test('a fault behind the token route is temporarily_unavailable, told to the log, and tells nothing itself', async () => {
  const faults: unknown[] = [];
  const fails = () => {
    throw new Error('the store said something secret');
  };
  const opening = new Proxy({} as OauthRoutesPorts<TaskVerdict>['opening'], { get: () => fails });
  const refusals: string[] = [];
  const routes = new OauthRoutes({
    ...{ publicUrl: 'https://gate.example', requests: new TaskRequests(), opening, issue: fails },
    refused: ({ code }) => refusals.push(code),
    faulted: (_, fault) => faults.push(fault),
  });
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: 's',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  });
  const request = rawRequest('POST', '/oauth/token', form.toString(), {
    'content-type': 'application/x-www-form-urlencoded',
  });
  const trace = { traceId: 't', spanId: 's', parentSpanId: null, sampled: false, state: null };
  const { status, headers, body } = await routes.answer(request, { trace, requestId: 'r' });
  const document = JSON.parse(String(body));
  assert.deepEqual([status, document.error, document.code], [503, 'temporarily_unavailable', 'store_unavailable']);
  assert.equal(headers['cache-control'], 'no-store');
  assert.ok(!JSON.stringify(document).includes('secret'));
  assert.deepEqual([refusals, String(faults[0])], [['store_unavailable'], 'Error: the store said something secret']);
});
