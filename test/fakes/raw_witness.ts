/**
 * A target on a bare TCP socket: it keeps every byte that reaches it, and reads requests only as far as it must to answer
 * them. Where a test is about the shape of what was sent, no HTTP library has tidied it up before.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

export interface Witnessed {
  /** The request line and the headers, as they came. */
  readonly line: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export class RawWitness implements AsyncDisposable {
  /** All bytes, in the order they came. */
  readonly bytes: Buffer[] = [];
  readonly requests: Witnessed[] = [];
  /** What every request is answered with. */
  reply = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}';
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async open(): Promise<RawWitness> {
    const witness = new RawWitness();
    witness.#server.listen(0, '127.0.0.1');
    await once(witness.#server, 'listening');
    return witness;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  forget(): void {
    this.bytes.length = 0;
    this.requests.length = 0;
  }

  #serve(socket: Socket): void {
    let rest: Buffer = Buffer.alloc(0);
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      this.bytes.push(chunk);
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const end = rest.indexOf('\r\n\r\n');
        if (end === -1) return;
        const [line = '', ...fields] = rest.subarray(0, end).toString('latin1').split('\r\n');
        const headers = fields.map((field) => {
          const at = field.indexOf(':');
          return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()] as const;
        });
        const length = Number(headers.find(([name]) => name === 'content-length')?.[1] ?? 0);
        if (rest.length < end + 4 + length) return;
        this.requests.push({ line, headers, body: rest.subarray(end + 4, end + 4 + length) });
        rest = rest.subarray(end + 4 + length);
        socket.write(this.reply);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
