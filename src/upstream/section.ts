/**
 * The `credentials:` section of tollgate.yaml: what the gate adds for targets, by name. Values are secrets and come
 * by `${env:NAME}` or `${file:path}`; a route's target refers to them by name only.
 */
import Type from 'typebox';
import type { Clock } from '../clock.ts';
import { allowedHost } from './address.ts';
import * as awsKeys from './credentials/aws-keys.ts';
import * as awsWebIdentity from './credentials/aws-web-identity.ts';
import * as azureFederated from './credentials/azure-federated.ts';
import * as googleSts from './credentials/google-sts.ts';
import * as header from './credentials/header.ts';
import {
  type AssertionRequest,
  type Credential,
  CredentialError,
  type CredentialFault,
  type CredentialPorts,
  credentialKinds,
} from './credentials/index.ts';
import * as jwtBearer from './credentials/jwt-bearer.ts';
import * as mtls from './credentials/mtls.ts';
import * as none from './credentials/none.ts';
import * as oauthClientCredentials from './credentials/oauth-client-credentials.ts';
import * as tokenExchange from './credentials/token-exchange.ts';
import type { AllowedHost, TlsIdentity } from './dialer.ts';
import { type TargetAsked, targetFaults } from './target-faults.ts';

export type { TlsIdentity } from './dialer.ts';

const schemas = [
  header.schema,
  none.schema,
  oauthClientCredentials.schema,
  azureFederated.schema,
  jwtBearer.schema,
  tokenExchange.schema,
  awsWebIdentity.schema,
  awsKeys.schema,
  googleSts.schema,
  mtls.schema,
] as const;

// By discriminator and not a plain union, because a validator fills no defaults into the latter.
const credential = Type.Unsafe<Type.Static<(typeof schemas)[number]>>({
  type: 'object',
  required: ['kind'],
  discriminator: { propertyName: 'kind' },
  oneOf: schemas,
  description: 'One credential; its kind says what it holds',
});

export const credentialsSection = Type.Record(Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }), credential, {
  default: {},
  additionalProperties: false,
  description: 'What the gate adds for targets, by name; agents never see it',
});

export type CredentialsConfig = Type.Static<typeof credentialsSection>;
type CredentialConfig = CredentialsConfig[string];

/** A kind, for a configuration that is known to be its own. */
interface Kind {
  readonly kind: string;
  readonly hosts: (config: never) => readonly string[];
  readonly check: (config: never) => readonly CredentialFault[];
  readonly create: (config: never, ports: CredentialPorts) => Credential;
}

const kinds: ReadonlyMap<string, Kind> = new Map(credentialKinds.map((member: Kind) => [member.kind, member]));

function kindOf({ kind }: CredentialConfig): Kind {
  const member = kinds.get(kind);
  if (member === undefined) throw new Error(`there is no kind of credential ${kind}`);
  return member;
}

/** Faults a schema cannot say: what each kind finds, and what does not go with the targets that refer to it. */
export function checkCredentials(
  config: CredentialsConfig,
  routes: readonly { readonly targets: readonly TargetAsked[] }[] = [],
): { pointer: string; message: string }[] {
  const own = Object.entries(config).flatMap(([name, credential]) =>
    kindOf(credential)
      .check(credential as never)
      .map(({ pointer, message }) => ({ pointer: `/credentials/${name}${pointer}`, message })),
  );
  const ofTargets = routes.flatMap(({ targets }, route) =>
    targets.flatMap((target, index) => targetFaults(target, `/routes/${route}/targets/${index}`, config)),
  );
  return [...own, ...ofTargets];
}

/** Where tokens are got: what the dialer of the credentials may reach, and nothing else. */
export function credentialHosts(config: CredentialsConfig): AllowedHost[] {
  return Object.values(config).flatMap((credential) =>
    kindOf(credential)
      .hosts(credential as never)
      .map(allowedHost),
  );
}

export interface CredentialsOptions {
  readonly clock: Clock;
  readonly assertion: (request: AssertionRequest) => Promise<string>;
  readonly send: CredentialPorts['send'];
  /** What stands in the files of those of kind `mtls`, by name. */
  readonly identities: Readonly<Record<string, TlsIdentity>>;
}

/** The credentials of one configuration. What they have got is forgotten with them. */
export class Credentials implements Disposable {
  readonly #made: ReadonlyMap<string, Credential>;
  readonly #closed = new AbortController();

  /** Asks for nothing before a call needs it. `config` is checked. */
  constructor(config: CredentialsConfig, { identities, ...options }: CredentialsOptions) {
    const closed = this.#closed.signal;
    const assertion: CredentialPorts['assertion'] = (request) =>
      options.assertion(request).catch(() => {
        throw new CredentialError('unsigned');
      });
    const make = ([name, credential]: [string, CredentialConfig]): [string, Credential] => {
      const identity = Object.hasOwn(identities, name) ? identities[name] : undefined;
      return [name, kindOf(credential).create(credential as never, { ...options, assertion, identity, closed })];
    };
    this.#made = new Map(Object.entries(config).map(make));
  }

  get(name: string): Credential | undefined {
    return this.#made.get(name);
  }

  [Symbol.dispose](): void {
    this.#closed.abort();
  }
}
