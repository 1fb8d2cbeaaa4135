/** One connection as bytes, plain or TLS: for clients that are slow, half-open or hostile. */
import { connect, type Socket } from 'node:net';

export class RawSocket {
  readonly socket: Socket;
  /** Everything that came, as latin1. */
  received = '';
  /** Resolves with the milliseconds from its opening to its end. */
  readonly closed: Promise<number>;

  constructor(url: string) {
    const { port } = new URL(url);
    const start = performance.now();
    this.socket = connect(Number(port), '127.0.0.1');
    this.socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => resolve(performance.now() - start));
    });
  }

  /** Sends `text` as latin1, as it stands. */
  write(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'));
  }

  /** Status codes of the answers, in order. */
  get statuses(): number[] {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  }

  /** Resolves when `count` answers have begun or the connection is closed; false if neither happens in time. */
  async answered(count: number, withinMs: number): Promise<boolean> {
    const end = performance.now() + withinMs;
    while (performance.now() < end) {
      if (this.statuses.filter((status) => status >= 200).length >= count || this.socket.closed) return true;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return false;
  }

  destroy(): void {
    this.socket.destroy();
  }
}
