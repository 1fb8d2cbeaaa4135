/** oidc-provider ships no types; this is the part of it that this world uses. */
declare module 'oidc-provider/lib/provider.js' {
  import type { RequestListener } from 'node:http';

  export class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>);
    callback(): RequestListener;
    readonly Client: { find(id: string): Promise<object | undefined> };
    readonly ResourceServer: new (
      id: string,
      settings: Readonly<Record<string, unknown>>,
    ) => object;
    readonly AccessToken: new (
      members: Readonly<Record<string, unknown>>,
    ) => {
      resourceServer: object;
      save(): Promise<string>;
    };
  }
}
