/** HTTP as bytes on a socket: for what no client library would send. */
import { once } from 'node:events';
import { connect } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends `text` as it stands to a base URL on loopback and reads until the other side closes. */
export async function rawHttp(url: string, text: string): Promise<RawAnswer> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.setEncoding('utf8');
  await once(socket, 'connect');
  socket.write(text);
  let answer = '';
  socket.on('data', (chunk: string) => {
    answer += chunk;
  });
  await once(socket, 'close');
  const end = answer.indexOf('\r\n\r\n');
  return { status: Number(answer.split(' ')[1]), head: answer.slice(0, end), body: answer.slice(end + 4) };
}
