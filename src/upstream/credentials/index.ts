/** The kinds of credentials there are. A member is a file with `kind`, `schema` and `create`. */
import * as header from './header.ts';
import * as none from './none.ts';

export type { Credential } from './credential.ts';

export const credentialKinds = [header, none] as const;
