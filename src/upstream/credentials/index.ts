/**
 * The kinds of credentials there are. A member is a file with `kind`, `schema` and `create`; one that has a token
 * service names it in `hosts`, and says in `check` what a schema cannot.
 */
import * as awsKeys from './aws-keys.ts';
import * as awsWebIdentity from './aws-web-identity.ts';
import * as azureFederated from './azure-federated.ts';
import * as googleSts from './google-sts.ts';
import * as header from './header.ts';
import * as jwtBearer from './jwt-bearer.ts';
import * as mtls from './mtls.ts';
import * as none from './none.ts';
import * as oauthClientCredentials from './oauth-client-credentials.ts';
import * as tokenExchange from './token-exchange.ts';

export * from './credential.ts';

export const credentialKinds = [
  header,
  none,
  oauthClientCredentials,
  azureFederated,
  jwtBearer,
  tokenExchange,
  awsWebIdentity,
  awsKeys,
  googleSts,
  mtls,
] as const;
