/**
 * A program: everything around the gate on one port of loopback. An upstream that answers the four calls from memory,
 * an OIDC issuer with one key, and a receiver of traces that counts nothing. Stream chunks leave on a common beat, so
 * that each of them is a packet of its own, as with a model that thinks between two words.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Ready } from './messages.ts';
import { cannedAnswers } from './workloads.ts';

const beatMs = 1;
const tokenSeconds = 4 * 3600;

const answers = cannedAnswers();
const sse = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' };
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'ES256', use: 'sig' }] };
let url = '';

/** Streams under way, with the chunk that is due next. */
const flowing = new Map<ServerResponse, number>();

function beat(): void {
  for (const [response, place] of flowing) {
    const last = place === answers.stream.length - 1;
    if (last) response.end(answers.stream[place]);
    else response.write(answers.stream[place]);
    if (last || response.destroyed) flowing.delete(response);
    else flowing.set(response, place + 1);
  }
}

function document(response: ServerResponse, body: object): void {
  response.writeHead(200, answers.json).end(JSON.stringify(body));
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '';
  if (request.method === 'GET') {
    request.resume();
    if (path === '/.well-known/openid-configuration') document(response, { issuer: url, jwks_uri: `${url}/jwks` });
    else if (path === '/jwks') document(response, jwks);
    else response.writeHead(200, { ...answers.json, 'content-length': answers.read.length }).end(answers.read);
    return;
  }
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => {
    if (path.endsWith('/refunds')) {
      response.writeHead(201, { ...answers.json, 'content-length': answers.write.length }).end(answers.write);
    } else if (!path.endsWith('/chat/completions')) {
      document(response, {});
    } else if (Buffer.concat(pieces).includes('"stream":true')) {
      response.writeHead(200, sse);
      flowing.set(response, 0);
    } else {
      response.writeHead(200, { ...answers.json, 'content-length': answers.chat.length }).end(answers.chat);
    }
  });
}

function workloadToken(): string {
  const now = Math.floor(Date.now() / 1000);
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const claims = {
    iss: url,
    aud: 'api://tollgate',
    sub: 'coordinator',
    tid: 'acme',
    iat: now,
    exp: now + tokenSeconds,
  };
  const input = `${encode({ alg: 'ES256', typ: 'JWT', kid: 'bench' })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

const server = createServer({ keepAliveTimeout: 120_000 }, serve);
server.listen(0, '127.0.0.1', () => {
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  setInterval(beat, beatMs);
  const ready: Ready = { url, workloadToken: workloadToken() };
  process.send?.(ready);
});
process.on('disconnect', () => process.exit());
