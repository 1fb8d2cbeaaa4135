/**
 * A signer as `keys.command` runs one: JSON lines on stdin and stdout, over keys in the file it is given. The same file
 * says how it misbehaves, and is read anew for each question, so that a test can change its mind while it runs.
 * What a test would get wrong: every start is appended to `starts` beside it, the environment included.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type webcrypto } from 'node:crypto';
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type SignerMode = 'good' | 'silent' | 'dies' | 'nonsense' | 'endless' | 'wrong-key' | 'refuses' | 'garbled';

export interface SignerFile {
  readonly mode: SignerMode;
  readonly keys: readonly {
    readonly purpose: string;
    readonly kid?: string;
    readonly private_jwk: webcrypto.JsonWebKey;
    /** Told in place of the public half. */
    readonly told?: webcrypto.JsonWebKey;
    readonly not_before_ms?: number;
  }[];
}

export const signerProgram = fileURLToPath(import.meta.url);

/** A private key for `purpose`, as the signer's file holds it. */
export function signerKey(purpose: 'task' | 'txn' | 'federation', kid?: string): SignerFile['keys'][number] {
  const { privateKey } =
    purpose === 'federation'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { purpose, ...(kid === undefined ? {} : { kid }), private_jwk: privateKey.export({ format: 'jwk' }) };
}

/** Replaces the signer's file in one step. */
export function writeSigner(path: string, file: SignerFile): void {
  writeFileSync(`${path}.new`, JSON.stringify(file));
  renameSync(`${path}.new`, path);
}

function answer(path: string, line: string): void {
  const { mode, keys } = JSON.parse(readFileSync(path, 'utf8')) as SignerFile;
  const { id, op, kid, input } = JSON.parse(line);
  const say = (value: object) => process.stdout.write(`${JSON.stringify({ id, ...value })}\n`);
  if (mode === 'silent') return;
  if (mode === 'nonsense') {
    process.stdout.write('all is well\n');
    return;
  }
  if (mode === 'endless') {
    process.stdout.write('x'.repeat(100_000));
    return;
  }
  if (op === 'keys') {
    const told = keys.map(({ purpose, kid: own, private_jwk, told: jwk, not_before_ms }) => ({
      ...{ purpose, kid: own, not_before_ms },
      jwk: jwk ?? createPublicKey(createPrivateKey({ key: private_jwk, format: 'jwk' })).export({ format: 'jwk' }),
    }));
    say({ keys: told });
    return;
  }
  if (mode === 'dies') process.exit(7);
  if (mode === 'refuses') {
    say({ error: 'access denied to key secret-handle' });
    return;
  }
  // A key that has no name of its own is asked for by the gate's, which holds its purpose.
  const wanted = keys.find((key) => key.kid === kid) ?? keys.findLast((key) => key.purpose === kid.split('.')[1]);
  const used = mode === 'wrong-key' ? keys.find((key) => key !== wanted) : wanted;
  const key = createPrivateKey({ key: used?.private_jwk as webcrypto.JsonWebKey, format: 'jwk' });
  const bytes = Buffer.from(input, 'base64url');
  const signature = sign('sha256', bytes, used?.purpose === 'federation' ? key : { key, dsaEncoding: 'ieee-p1363' });
  say({ signature: mode === 'garbled' ? `${signature.toString('base64')}==` : signature.toString('base64url') });
}

function run(path: string): void {
  appendFileSync(`${path}.starts`, `${process.pid} ${Object.keys(process.env).sort().join(',')}\n`);
  let rest = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) answer(path, line);
  });
}

if (process.argv[1] === signerProgram && process.argv[2] !== undefined) run(process.argv[2]);
