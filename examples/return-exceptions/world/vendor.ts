/**
 * The vendor's site, which is down: 404 for ever. It lies outside the trust domain, so it has neither the service key
 * nor a Txn-Token to ask for.
 */
import { type Listening, listen, readBody } from './listen.ts';
import { type Received, Recorder } from './record.ts';

export class Vendor {
  readonly #recorder = new Recorder();
  #listening: Listening | undefined;

  get url(): string {
    if (this.#listening === undefined) throw new Error('the vendor is not open');
    return this.#listening.url;
  }

  get received(): readonly Received[] {
    return this.#recorder.all;
  }

  async open(preferredPort: number): Promise<void> {
    this.#listening = await listen(async (request, response) => {
      this.#recorder.add(request, await readBody(request));
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end('{"error":"not_found"}');
    }, preferredPort);
  }

  async close(): Promise<void> {
    await this.#listening?.close();
  }
}
