/** The `credentials:` section. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ajv } from 'ajv';
import type { OutgoingRequest } from '../../../src/upstream/credentials/credential.ts';
import {
  Credentials,
  type CredentialsConfig,
  checkCredentials,
  credentialHosts,
  credentialsSection,
} from '../../../src/upstream/section.ts';
import { ManualClock } from '../../fakes/clock.ts';

const valid = new Ajv({ allErrors: true, useDefaults: true, strict: false, discriminator: true }).compile(
  credentialsSection,
);
const request = {} as OutgoingRequest;
const options = {
  clock: new ManualClock(),
  assertion: () => assert.fail('no assertion is needed'),
  send: () => assert.fail('nothing is dialled'),
  identities: {},
};

const azure = {
  ...{ kind: 'azure-federated', tenant: 'contoso.example', client_id: 'c-1', subject: 's' },
  scope: 'https://ai.azure.com/.default',
};
const aws = {
  ...{ kind: 'aws-web-identity', role_arn: 'arn:aws:iam::123456789012:role/gate', region: 'eu-central-1' },
  ...{ service: 'bedrock', subject: 's' },
};
const google = {
  ...{ kind: 'google-sts', subject: 's' },
  audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/gate',
};
const oauth = { kind: 'oauth-client-credentials', token_url: 'https://login.example/token', client_id: 'c' };

/** As the configuration hands it on: checked against the schema, defaults filled in. */
function parsed(section: Record<string, object>): CredentialsConfig {
  const copy: unknown = structuredClone(section);
  assert.equal(valid(copy), true, JSON.stringify(valid.errors));
  return copy as CredentialsConfig;
}

describe('credentials of the configuration', () => {
  it('are made by kind, under the names that targets refer to', async () => {
    const config = parsed({ azure: { kind: 'header', name: 'Api-Key', value: 'k' }, open: { kind: 'none' } });
    using made = new Credentials(config, options);
    assert.deepEqual((await made.get('azure')?.grant(request))?.headers, { 'api-key': 'k' });
    assert.deepEqual((await made.get('open')?.grant(request))?.headers, {});
    assert.equal(made.get('other'), undefined);
    assert.equal(made.get('toString'), undefined);
  });

  it('of an unknown kind, with unknown members, or with a line break in the value are refused', () => {
    assert.equal(valid({ a: { kind: 'magic' } }), false);
    assert.equal(valid({ a: { kind: 'none', name: 'x' } }), false);
    assert.equal(valid({ a: { kind: 'header', name: 'x', value: 'a\r\nb: c' } }), false);
    assert.equal(valid({ a: { kind: 'header', name: 'x y', value: 'a' } }), false);
    assert.equal(valid({ a: { kind: 'header', name: 'x', value: '' } }), false);
  });

  it('may be in authorization or x-api-key, not in a header that frames or signs the request', () => {
    const header = (name: string) => ({ a: { kind: 'header' as const, name, value: 'v' } });
    for (const name of ['Authorization', 'x-api-key', 'api-key']) assert.deepEqual(checkCredentials(header(name)), []);
    for (const name of ['Host', 'content-length', 'Txn-Token', 'traceparent', 'x-tollgate-task-id']) {
      assert.equal(checkCredentials(header(name))[0]?.pointer, '/credentials/a/name', name);
    }
  });

  it('know the token services of the clouds, and those alone may be dialled', () => {
    const config = parsed({ azure, aws, google, china: { ...aws, role_arn: 'arn:aws-cn:iam::123456789012:role/g' } });
    assert.deepEqual(
      credentialHosts(config).map(({ protocol, host, port }) => `${protocol}//${host}:${port}`),
      [
        'https://login.microsoftonline.com:443',
        'https://sts.eu-central-1.amazonaws.com:443',
        'https://sts.googleapis.com:443',
        'https://sts.eu-central-1.amazonaws.com.cn:443',
      ],
    );
    const impersonating = parsed({ g: { ...google, service_account: 'gate@acme.iam.gserviceaccount.com' } });
    assert.deepEqual(
      credentialHosts(impersonating).map(({ host }) => host),
      ['sts.googleapis.com', 'iamcredentials.googleapis.com'],
    );
    assert.deepEqual(credentialHosts(parsed({ open: { kind: 'none' } })), []);
  });

  it('have forms that clouds have: roles, regions, providers, scopes', () => {
    const wrong: Record<string, object> = {
      'a user in place of a role': { ...aws, role_arn: 'arn:aws:iam::123456789012:user/gate' },
      'an account too short': { ...aws, role_arn: 'arn:aws:iam::1234:role/gate' },
      'a zone in place of a region': { ...aws, region: 'eu-central-1a' },
      'a session shorter than AWS gives': { ...aws, duration_seconds: 60 },
      'a tag that nobody knows': { ...aws, tags: ['customer'] },
      'a pool without a provider': { ...google, audience: google.audience.replace(/\/providers.*/, '') },
      'a scope that is no resource': { ...azure, scope: 'user.read' },
      'a tenant that is a path': { ...azure, tenant: '../common' },
    };
    for (const [what, credential] of Object.entries(wrong)) assert.equal(valid({ a: credential }), false, what);
    for (const region of ['us-gov-west-1', 'ap-southeast-2', 'us-isob-east-1', 'eusc-de-east-1']) {
      assert.equal(valid({ a: { ...aws, region } }), true, region);
    }
  });

  it('are told apart with what is wrong, by pointer: plain http, missing and useless members', () => {
    const faults = (credential: object) => checkCredentials(parsed({ a: credential })).map(({ pointer }) => pointer);
    const secret = { client_secret: 'x' };
    assert.deepEqual(faults({ ...oauth, ...secret }), []);
    assert.deepEqual(faults({ ...oauth, ...secret, token_url: 'http://127.0.0.1:9/token' }), []);
    for (const url of [
      'http://login.example/token',
      'ftp://login.example',
      'login.example',
      'https://u:p@x.example/',
    ]) {
      assert.deepEqual(faults({ ...oauth, ...secret, token_url: url }), ['/credentials/a/token_url'], url);
    }
    assert.deepEqual(faults(oauth), ['/credentials/a']);
    assert.deepEqual(faults({ ...oauth, ...secret, assertion_subject: 's' }), ['/credentials/a/assertion_subject']);
    assert.deepEqual(faults({ ...oauth, ...secret, auth_method: 'client_assertion' }), [
      '/credentials/a/client_secret',
    ]);
    const exchange = { kind: 'token-exchange', token_url: 'https://login.example/token', subject: 's' };
    assert.deepEqual(faults(exchange), []);
    assert.deepEqual(faults({ ...exchange, client_id: 'c' }), ['/credentials/a']);
    assert.deepEqual(faults({ ...aws, token_url: 'http://sts.example/' }), ['/credentials/a/token_url']);
    assert.deepEqual(faults({ ...azure, token_url: 'http://sts.example/' }), ['/credentials/a/token_url']);
    assert.deepEqual(faults({ ...google, token_url: 'http://sts.example/' }), ['/credentials/a/token_url']);
    assert.deepEqual(faults({ ...google, iamcredentials_url: 'https://iam.example' }), [
      '/credentials/a/iamcredentials_url',
    ]);
  });

  it('of kind mtls are for targets behind TLS only', () => {
    const config = parsed({ cert: { kind: 'mtls', cert: 'c.pem', key: 'k.pem' } });
    const targets = [
      { url: 'https://a.example', credential: 'cert' },
      { url: 'http://b.example', credential: 'cert' },
      { url: 'http://c.example' },
    ];
    assert.deepEqual(
      checkCredentials(config, [{ targets }]).map(({ pointer }) => pointer),
      ['/routes/0/targets/1/url'],
    );
  });

  it('are what keys are for: headers of a target are for the rest', () => {
    const headersOf = (name: string) => checkCredentials({}, [{ targets: [{ url: 'u', headers: { [name]: 'v' } }] }]);
    for (const name of ['openai-organization', 'anthropic-beta', 'x-amzn-bedrock-guardrailidentifier', 'x-title']) {
      assert.deepEqual(headersOf(name), [], name);
    }
    for (const name of ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'cookie', 'host', 'content-type']) {
      assert.equal(headersOf(name)[0]?.pointer, `/routes/0/targets/0/headers/${name}`, name);
    }
  });

  it('that sign for AWS are for the region and the service of their target', () => {
    const config = parsed({ aws, other: { ...aws, service: 'execute-api' } });
    const faults = (target: object) =>
      checkCredentials(config, [{ targets: [{ credential: 'aws', url: 'u', ...target }] }]).map(
        ({ pointer }) => pointer,
      );
    const runtime = (region: string) => `https://bedrock-runtime.${region}.amazonaws.com`;
    const bedrock = { provider: 'bedrock' };
    assert.deepEqual(faults({ ...bedrock, url: runtime('eu-central-1') }), []);
    assert.deepEqual(faults({ ...bedrock, url: 'https://bedrock.example' }), []);
    assert.deepEqual(faults({ ...bedrock, url: runtime('us-east-1') }), ['/routes/0/targets/0/url']);
    const endpoint = 'https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com';
    assert.deepEqual(faults({ ...bedrock, url: endpoint }), ['/routes/0/targets/0/url']);
    assert.deepEqual(faults({ ...bedrock, credential: 'other' }), ['/routes/0/targets/0/provider']);
    assert.deepEqual(faults({ credential: 'other', url: runtime('eu-central-1') }), []);
  });

  it('of kind aws-keys sign with the key, and with the token of a session', async () => {
    const key = {
      kind: 'aws-keys',
      secret_access_key: 's3cr3t/+s3cr3t/+s3cr3t',
      region: 'eu-central-1',
      service: 'bedrock',
    };
    const config = parsed({
      user: { ...key, access_key_id: 'AKIAIOSFODNN7EXAMPLE' },
      session: { ...key, access_key_id: 'ASIAIOSFODNN7EXAMPLE', session_token: 'IQoJb3JpZ2luX2VjEXAMPLE' },
    });
    assert.deepEqual(checkCredentials(config), []);
    using made = new Credentials(config, options);
    const asked = { url: 'https://b.example/model/m:0/invoke', method: 'POST', headers: {}, body: Buffer.from('{}') };
    const shown = async (name: string) => (await made.get(name)?.grant({ ...request, ...asked }))?.headers ?? {};
    const own = ['authorization', 'host', 'x-amz-content-sha256', 'x-amz-date'];
    assert.deepEqual(Object.keys(await shown('user')).toSorted(), own);
    assert.deepEqual(Object.keys(await shown('session')).toSorted(), [...own, 'x-amz-security-token']);
    const torn = parsed({ a: { ...key, access_key_id: 'ASIAIOSFODNN7EXAMPLE' } });
    assert.deepEqual(checkCredentials(torn)[0]?.pointer, '/credentials/a/session_token');
    assert.equal(valid({ a: { ...key, access_key_id: 'AKIAIOSFODNN7EXAMPLE', secret_access_key: 'a b' } }), false);
  });
});
