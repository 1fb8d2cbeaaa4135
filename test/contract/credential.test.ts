/** The contract of credentials, for every kind that gets its own from a token service. */
import { awsCloud } from '../fakes/clouds/aws.ts';
import { googleAudience, googleCloud } from '../fakes/clouds/google.ts';
import { oauthCloud } from '../fakes/clouds/oauth.ts';
import { credentialContract } from './credential.ts';

const secret = 'the:secret of/the+gate%';
const basic = `Basic ${Buffer.from(`gate%2F1:the%3Asecret+of%2Fthe%2Bgate%25`).toString('base64')}`;
const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

for (const method of ['client_secret_basic', 'client_secret_post'] as const) {
  credentialContract(`oauth-client-credentials with ${method}`, {
    secrets: [secret],
    config: (url) => ({
      ...{ kind: 'oauth-client-credentials', token_url: `${url}/token`, client_id: 'gate/1', client_secret: secret },
      ...{ auth_method: method, scope: 'orders.read orders.write', audience: 'orders' },
    }),
    rules: (gate) =>
      oauthCloud(gate, {
        path: '/token',
        form: {
          ...{ grant_type: 'client_credentials', scope: 'orders.read orders.write', audience: 'orders' },
          ...(method === 'client_secret_post' ? { client_id: 'gate/1', client_secret: secret } : {}),
        },
        ...(method === 'client_secret_basic' ? { basic } : {}),
      }),
  });
}

credentialContract('oauth-client-credentials with client_assertion', {
  config: (url) => ({
    ...{ kind: 'oauth-client-credentials', token_url: `${url}/token`, client_id: 'gate-1' },
    ...{ auth_method: 'client_assertion', resource: 'https://orders.example/' },
  }),
  rules: (gate, url) => {
    const cloud = () =>
      oauthCloud(gate, {
        path: '/token',
        assertion: { parameter: 'client_assertion', audience: `${url()}/token`, subject: 'gate-1' },
        form: {
          ...{ grant_type: 'client_credentials', resource: 'https://orders.example/' },
          ...{ client_id: 'gate-1', client_assertion_type: jwtBearer },
        },
      });
    return { ...cloud(), issue: (request, at) => cloud().issue(request, at) };
  },
});

credentialContract('azure-federated', {
  config: (url) => ({
    ...{ kind: 'azure-federated', tenant: 'contoso.example', client_id: '11112222-bbbb-3333-cccc-4444dddd5555' },
    ...{ scope: 'https://cognitiveservices.azure.com/.default', subject: 'tollgate:openai' },
    ...{ token_url: `${url}/contoso.example/oauth2/v2.0/token` },
  }),
  rules: (gate) =>
    oauthCloud(gate, {
      path: '/contoso.example/oauth2/v2.0/token',
      assertion: {
        ...{ parameter: 'client_assertion', audience: 'api://AzureADTokenExchange', subject: 'tollgate:openai' },
      },
      form: {
        ...{ grant_type: 'client_credentials', scope: 'https://cognitiveservices.azure.com/.default' },
        ...{ client_id: '11112222-bbbb-3333-cccc-4444dddd5555', client_assertion_type: jwtBearer },
      },
      refusal: {
        error_codes: [700213],
        timestamp: '2026-11-02 09:00:00Z',
        trace_id: '0000aaaa-11bb-cccc-dd22-eeeeee333333',
      },
    }),
});

credentialContract('jwt-bearer that tells the task', {
  perTask: true,
  config: (url) => ({
    ...{ kind: 'jwt-bearer', token_url: `${url}/grant`, subject: 'gate@orders', assertion_audience: 'urn:orders' },
    ...{ tell: ['task', 'subject'], scope: 'orders' },
  }),
  rules: (gate) =>
    oauthCloud(gate, {
      path: '/grant',
      assertion: { parameter: 'assertion', audience: 'urn:orders', subject: 'gate@orders' },
      form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', scope: 'orders' },
    }),
});

credentialContract('token-exchange', {
  secrets: [secret],
  config: (url) => ({
    ...{ kind: 'token-exchange', token_url: `${url}/exchange`, subject: 'gate', assertion_audience: 'urn:sts' },
    ...{ audience: 'billing', scope: 'pay', client_id: 'gate/1', client_secret: secret },
  }),
  rules: (gate) =>
    oauthCloud(gate, {
      path: '/exchange',
      basic,
      assertion: { parameter: 'subject_token', audience: 'urn:sts', subject: 'gate' },
      form: {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        ...{ audience: 'billing', scope: 'pay' },
      },
    }),
});

for (const service of ['execute-api', 's3'] as const) {
  const fixed = service === 's3';
  credentialContract(`aws-web-identity for ${service}`, {
    perTask: !fixed,
    config: (url) => ({
      ...{ kind: 'aws-web-identity', role_arn: 'arn:aws:iam::123456789012:role/gate', region: 'eu-central-1', service },
      ...{ subject: 'tollgate', tags: fixed ? [] : ['task', 'subject'] },
      ...{ token_url: `${url}/` },
      ...(fixed ? { session_name: 'tollgate' } : {}),
    }),
    rules: (gate) => {
      let nowMs = () => 0;
      const cloud = awsCloud({
        ...{ roleArn: 'arn:aws:iam::123456789012:role/gate', region: 'eu-central-1', service, durationSeconds: 900 },
        verify: (token) => gate.verify(token, { audience: 'sts.amazonaws.com', subject: 'tollgate', nowMs: nowMs() }),
      });
      return {
        ...cloud,
        issue: (request, at) => {
          nowMs = () => at.clock.nowMs();
          return cloud.issue(request, at);
        },
      };
    },
  });
}

for (const impersonates of [false, true]) {
  const email = 'gate@acme.iam.gserviceaccount.com';
  const scopes = ['https://www.googleapis.com/auth/bigquery'];
  credentialContract(`google-sts ${impersonates ? 'with impersonation' : 'as itself'}`, {
    requests: impersonates ? 2 : 1,
    config: (url) => ({
      ...{ kind: 'google-sts', audience: googleAudience, subject: 'tollgate', token_url: `${url}/v1/token` },
      lifetime_seconds: 1200,
      ...(impersonates ? { scopes, service_account: email, iamcredentials_url: url } : {}),
    }),
    rules: (gate) =>
      googleCloud(gate, {
        subject: 'tollgate',
        ...(impersonates ? { account: { email, scopes, seconds: 1200 } } : {}),
      }),
  });
}
