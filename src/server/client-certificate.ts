/**
 * The certificate that a client proved in its TLS handshake, as tokens are bound to it: its hash and nothing of what
 * it says (RFC 8705 §3.1). Whether it is of a trusted authority was settled before a request could be read. A resumed
 * session has the certificate of the handshake it goes back to; where it has not, there is none.
 */
import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export class ClientCertificates {
  /** It is asked for by each request of a connection, and does not change. */
  readonly #known = new WeakMap<Socket, string | null>();

  /** Base64url SHA-256 of the certificate in DER (`x5t#S256`); null without one, and on plain connections. */
  of(socket: Socket): string | null {
    const known = this.#known.get(socket);
    if (known !== undefined) return known;
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    const thumbprint = certificate === undefined ? null : hash('sha256', certificate.raw, 'base64url');
    this.#known.set(socket, thumbprint);
    return thumbprint;
  }
}
