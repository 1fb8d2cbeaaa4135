/**
 * What is wrong between a target and the credentials of a configuration, and no schema can say: a certificate that nobody
 * would ask for, a signature that its service would not take, a key that is no credential.
 */
import { isGatesOwn } from './headers.ts';

/** A target of the routing table as far as it is asked here. */
export interface TargetAsked {
  readonly url?: string;
  readonly provider?: string;
  readonly credential?: string;
  readonly credentials?: readonly (string | { readonly name: string })[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** A credential as far as targets hang on it. */
interface Asked {
  readonly kind: string;
  readonly region?: string;
  readonly service?: string;
}

interface Fault {
  readonly pointer: string;
  readonly message: string;
}

/** The region in the host of a service of AWS, of its endpoints in a VPC too. */
const regionInHost = /\.([a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2})\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$/;

/** All faults of `target`, whose pointers begin with `at`; `credentials` are those of the configuration by name. */
export function targetFaults(
  target: TargetAsked,
  at: string,
  credentials: Readonly<Record<string, Asked>>,
): readonly Fault[] {
  const { url = '', credential, credentials: several = [], headers = {} } = target;
  const names = [credential ?? [], several.map((one) => (typeof one === 'string' ? one : one.name))].flat();
  const known = names.flatMap((name) => {
    const own = Object.hasOwn(credentials, name) ? credentials[name] : undefined;
    return own === undefined ? [] : [{ name, ...own }];
  });
  const faults: Fault[] = [];
  const certificate = known.find(({ kind }) => kind === 'mtls');
  if (certificate !== undefined && !url.startsWith('https:')) {
    const message = `expected https: the credential ${certificate.name} is a certificate`;
    faults.push({ pointer: `${at}/url`, message });
  }
  for (const { name, kind, region, service } of known) {
    if (kind !== 'aws-keys' && kind !== 'aws-web-identity') continue;
    const served = URL.canParse(url) ? regionInHost.exec(new URL(url).hostname)?.[1] : undefined;
    if (served !== undefined && served !== region) {
      const message = `expected a URL of ${region}, which the credential ${name} signs for, found one of ${served}`;
      faults.push({ pointer: `${at}/url`, message });
    }
    if (target.provider === 'bedrock' && service !== 'bedrock') {
      const message = `expected the credential ${name} to sign for service bedrock, found ${service}`;
      faults.push({ pointer: `${at}/provider`, message });
    }
  }
  for (const name of Object.keys(headers)) {
    if (!isGatesOwn(name) && !/^(?:accept|content-type|content-language)$|key$|token$|secret$/.test(name)) continue;
    const message = `the header ${name} is set by the gate itself, or carries a key: that is for a credential`;
    faults.push({ pointer: `${at}/headers/${name.replaceAll('~', '~0')}`, message });
  }
  return faults;
}
