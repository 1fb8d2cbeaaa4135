/**
 * The contract of a dialect: one wire format that agents speak. A dialect reads a request into a WireRequest (text
 * segments, operations, canonical arguments, stream events) and writes denials in its own shape. It knows nothing
 * of policy, budgets or personal data. A new protocol is one file or folder in `dialects/` and a line in its index.
 */
import type { Operation, Route, WireRequest } from '../call.ts';
import type { Denial, DenialMembers } from '../denial.ts';

/** A request as the HTTP server got it. Header names are lower-case; a header that came twice is an array. */
export interface RawRequest {
  readonly method: string;
  /** Raw path as sent, without the query. */
  readonly path: string;
  /** Raw query as sent, without the `?`; empty if there is none. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** Base64url SHA-256 of the client's TLS certificate in DER, once its holder proved it; absent without one. */
  readonly certificate?: string;
}

export interface EncodedDenial {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Dialect {
  readonly name: string;
  /**
   * Whether the dialect reads requests to this path. No two dialects read one request; where they share a path, as the
   * lists of models, headers tell them apart.
   */
  handles(path: string, headers: RawRequest['headers']): boolean;
  /** The header that carries the id of a request on this surface, besides `x-request-id`. */
  readonly requestIdHeader?: string;
  /** Denies 400, 404, 405, 413, 415; never throws on what a client can send. */
  parse(request: RawRequest): WireRequest | Denial;
  /** The denial in the dialect's shape. `streaming` asks for the surface's error frame instead of a whole body. */
  denial(denial: Denial, members: DenialMembers, requestId?: string): EncodedDenial;
  /** `lastNumber`: of the last event of the stream, where the surface numbers them. */
  denialFrame(denial: Denial, members: DenialMembers, requestId?: string, lastNumber?: number): Buffer;
}

/** Something wrong with a route's document or settings; the pointer is into RouteSettings. */
export interface RouteSettingsFault {
  readonly pointer: string;
  readonly message: string;
}

/** What a routing table row of a kind can be called for; made once at start, or on reload. */
export interface OperationSource {
  readonly kind: Route['kind'];
  /** Where there are faults, the operations are not for use. */
  operations(
    route: Route,
    settings: RouteSettings,
  ): { readonly operations: readonly Operation[]; readonly faults: readonly RouteSettingsFault[] };
}

/** What the routing table says about the operations of a route. */
export interface RouteSettings {
  /** The parsed OpenAPI document of an http route. */
  readonly openapi: unknown;
  readonly operations: Readonly<
    Record<
      string,
      Partial<Pick<Operation, 'effect' | 'remember' | 'reads' | 'sends' | 'callMicroUsd'>> & {
        /** Of responses alone. */
        readonly keeps_unasked?: boolean;
        /** The same. */
        readonly remembers?: boolean;
      }
    >
  >;
}

/**
 * What an operation reads and sends. What nobody has said of it is taken for the worst: its answer is anybody's text,
 * and what it is sent leaves the trust domain.
 */
export function labelsOf(said: RouteSettings['operations'][string] | undefined): Pick<Operation, 'reads' | 'sends'> {
  return { reads: said?.reads ?? ['untrusted'], sends: said?.sends ?? 'outside' };
}
