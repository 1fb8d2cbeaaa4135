/**
 * The credentials towards targets, with a dialer of their own: where tokens are got is no target and no issuer, and
 * neither of those is where tokens are got. Kept over a reload that does not change them, with what they have cached.
 */
import type { Loaded } from '../config/load.ts';
import { Dialer } from '../upstream/dialer.ts';
import { Credentials, credentialHosts } from '../upstream/section.ts';
import type { Foundation } from './parts.ts';

/** What credentials follow from. */
export type CredentialsOrigin = Pick<Loaded['config'], 'credentials'> & Pick<Loaded, 'identities'>;

export function credentialsOriginOf({ config, identities }: Pick<Loaded, 'config' | 'identities'>): CredentialsOrigin {
  return { credentials: config.credentials, identities };
}

const bounds = { connectionsMax: 32, inFlightMax: 256, bodyBytesMax: 512 * 1024 };

export interface OpenCredentials {
  readonly get: Credentials['get'];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Dials nothing before the first call that needs a token. */
export function openCredentials(
  { credentials: config, identities }: CredentialsOrigin,
  { clock, federation }: Pick<Foundation, 'clock' | 'federation'>,
): OpenCredentials {
  const dialer = new Dialer({ clock, allow: credentialHosts(config), ...bounds });
  const credentials = new Credentials(config, {
    ...{ clock, identities },
    assertion: (request) => federation.mint(request),
    send: (request) => dialer.send(request),
  });
  return {
    get: (name) => credentials.get(name),
    [Symbol.asyncDispose]: () => {
      credentials[Symbol.dispose]();
      return dialer[Symbol.asyncDispose]();
    },
  };
}
