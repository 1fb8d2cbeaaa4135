/**
 * A program: the least that a gate would do by hand. Node's HTTP server in, an undici pool out; JSON bodies are read
 * whole and parsed both ways, as nothing could be decided on otherwise; streams pass chunk by chunk.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { measured } from './measured.ts';

const pool = new Pool(process.argv[2] ?? '', { connections: 256 });

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = request.method === 'GET' ? null : await collect(request);
  const asked = body === null ? {} : (JSON.parse(body.toString()) as { stream?: boolean });
  const answer = await pool.request({
    method: request.method as 'GET' | 'POST',
    path: request.url ?? '/',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const type = String(answer.headers['content-type']);
  if (asked.stream === true) {
    response.writeHead(answer.statusCode, { 'content-type': type });
    for await (const piece of answer.body) response.write(piece);
    response.end();
    return;
  }
  const bytes = await collect(answer.body);
  JSON.parse(bytes.toString());
  response.writeHead(answer.statusCode, { 'content-type': type, 'content-length': bytes.length });
  response.end(bytes);
}

const server = createServer((request, response) => {
  serve(request, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1', () => {
  measured(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, async () => {
    server.close();
    await pool.destroy();
  });
});
