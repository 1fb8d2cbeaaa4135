/** Types of opa.js, which stays plain JavaScript because it runs before anything is installed. */
export interface FindOpaOptions {
  /** Read for PATH, TOLLGATE_OPA, TOLLGATE_OPA_RELEASES and XDG_CACHE_HOME; the process's own by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cacheDir?: string;
  /** Name of the release binary; by default the one for this platform. */
  readonly asset?: string | undefined;
  /** How long to wait for the head of an answer of the release host. */
  readonly headMs?: number;
  /** Told, a line at a time, what takes long. */
  readonly log?: (line: string) => void;
}

export declare const opaVersion: string;
export declare class OpaMissing extends Error {}
export declare class OpaRefused extends Error {}
export declare function opaCacheDir(env: Readonly<Record<string, string | undefined>>, root?: string): string;
export declare function opaAsset(platform?: string, arch?: string): string | undefined;
export declare function knownOpa(options?: Pick<FindOpaOptions, 'env' | 'cacheDir'>): Promise<string | undefined>;
export declare function findOpa(options?: FindOpaOptions): Promise<string>;
