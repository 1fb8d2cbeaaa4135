/**
 * The `credentials:` section of tollgate.yaml: what the gate adds for targets, by name. Values are secrets and come
 * by `${env:NAME}` or `${file:path}`; a route's target refers to them by name only.
 */
import Type from 'typebox';
import * as header from './credentials/header.ts';
import { type Credential, credentialKinds } from './credentials/index.ts';
import * as none from './credentials/none.ts';
import { isGatesOwn } from './headers.ts';

export const credentialsSection = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
  Type.Union([header.schema, none.schema], { description: 'One credential; its kind says what it holds' }),
  {
    default: {},
    additionalProperties: false,
    description: 'What the gate adds for targets, by name; agents never see it',
  },
);

export type CredentialsConfig = Type.Static<typeof credentialsSection>;

/** Headers that carry a key although the gate keeps them from agents' requests. */
const carriers: ReadonlySet<string> = new Set(['authorization', 'cookie', 'x-api-key']);

/** Faults a schema cannot say: a credential must not take the place of a header that frames or signs the request. */
export function checkCredentials(config: CredentialsConfig): { pointer: string; message: string }[] {
  return Object.entries(config).flatMap(([name, credential]) => {
    if (credential.kind !== 'header') return [];
    const header = credential.name.toLowerCase();
    if (!isGatesOwn(header) || carriers.has(header)) return [];
    return [{ pointer: `/credentials/${name}/name`, message: `the header ${header} is set by the gate itself` }];
  });
}

/** Makes the credentials of a checked configuration. */
export function createCredentials(config: CredentialsConfig): ReadonlyMap<string, Credential> {
  const made = new Map<string, Credential>();
  for (const [name, credential] of Object.entries(config)) {
    for (const member of credentialKinds) {
      if (member.kind === credential.kind) made.set(name, member.create(credential as never));
    }
  }
  return made;
}
