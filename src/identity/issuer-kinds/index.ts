/** The kinds of issuers there are. A member is a file with one IssuerKind, named as in tollgate.yaml. */
import { aws } from './aws.ts';
import { entra } from './entra.ts';
import { google } from './google.ts';
import type { IssuerKind } from './issuer-kind.ts';
import { kubernetes } from './kubernetes.ts';
import { oidc } from './oidc.ts';
import { spiffe } from './spiffe.ts';

export type { IssuerKind, KindDefaults, KindEntry, Purpose } from './issuer-kind.ts';

export const issuerKinds = { oidc, kubernetes, entra, google, aws, spiffe } as const satisfies Record<
  string,
  IssuerKind
>;

export type IssuerKindName = keyof typeof issuerKinds;
