/**
 * Txn-Tokens, right and wrong, that every verifier must judge alike: each row is the token of an accepted control with
 * exactly one thing changed. Wrong ones are signed by the gate's own key, as if it were stolen, wherever `sign` refuses
 * to; so what refuses them is the check that the row is about.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type RefusalReason, sentDigest } from '../../src/identity/verify.ts';
import { base64url, forge, publicJwk } from '../unit/identity/forge.ts';

type Members = Readonly<Record<string, unknown>>;

/** What the rows are made with. */
export interface TableGate {
  readonly publicUrl: string;
  readonly trustDomain: string;
  readonly txn: { readonly kid: string; readonly key: KeyObject };
  readonly task: { readonly kid: string; readonly key: KeyObject };
  /** As the gate makes them. */
  readonly minted: (request: Request) => Promise<string>;
  /** A `txn` that nobody has seen. */
  readonly freshId: () => string;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array | null;
  readonly operation: string;
}

export interface Row {
  readonly name: string;
  readonly verdict: 'accepted' | RefusalReason;
  /** The headers of one request; called anew for each verifier, because a token passes once. */
  readonly shown: () => Promise<string | readonly string[] | null> | string | readonly string[] | null;
  readonly request: Request;
}

export const refund: Request = {
  method: 'POST',
  path: '/refunds?dry=1',
  body: Buffer.from('{"amount_cents":100}'),
  operation: 'refunds.create_refund',
};

const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });

export function table(gate: TableGate): readonly Row[] {
  const { kid, key } = gate.txn;
  const header = { alg: 'ES256', typ: 'txntoken+jwt', kid };
  const now = () => Math.floor(Date.now() / 1000);

  const claimsFor = ({ method, path, body, operation }: Request): Record<string, unknown> => ({
    iss: gate.publicUrl,
    aud: gate.trustDomain,
    iat: now(),
    exp: now() + 60,
    txn: gate.freshId(),
    sub: 'customer-c',
    act: { sub: 'coordinator', act: { sub: 'planner' } },
    scope: operation,
    req_wl: 'coordinator',
    tctx: {
      agent_issuer: 'azure',
      task_id: 'task_1',
      root_task_id: 'task_1',
      purpose: 'return_exception',
      operation,
      subject_assurance: 'verified',
      sent_digest: sentDigest(method, path, body),
    },
    rctx: { gateway: 'gate-1', cloud: 'azure', region: 'westeurope' },
  });
  const without = (members: Members, name: string) =>
    Object.fromEntries(Object.entries(members).filter(([member]) => member !== name));
  type Verdict = Row['verdict'];
  const row = (name: string, verdict: Verdict, shown: Row['shown'], request = refund): Row => {
    return { name, verdict, shown, request };
  };
  const sign = (claims: Members, more: Members = {}, by: KeyObject = key) =>
    forge({ header: { ...header, ...more }, claims: { ...claims }, key: by });
  /** The control with changed claims, or with a changed header. */
  const claim = (name: string, verdict: Verdict, changes: () => Members) =>
    row(name, verdict, () => sign({ ...claimsFor(refund), ...changes() }));
  const context = (name: string, verdict: Verdict, changes: Members) =>
    claim(name, verdict, () => ({ tctx: { ...(claimsFor(refund).tctx as object), ...changes } }));
  const head = (name: string, verdict: Verdict, changes: Members, by?: KeyObject) =>
    row(name, verdict, () => sign(claimsFor(refund), changes, by));
  const text = (name: string, verdict: Verdict, change: (token: string) => string | readonly string[]) =>
    row(name, verdict, () => change(sign(claimsFor(refund))));
  /** A token of the control, shown with another request; it is for the operation that it is shown to. */
  const other = (name: string, verdict: Verdict, changes: Partial<Request>) =>
    row(name, verdict, () => sign(claimsFor(refund)), { ...refund, ...changes });
  const own = (name: string, request: Request) => row(name, 'accepted', () => sign(claimsFor(request)), request);
  const get = { method: 'GET', path: '/refunds/r-1', body: null, operation: 'refunds.get_refund' };
  const part = (token: string, index: number) => token.split('.')[index] as string;

  return [
    row('as the gate mints it', 'accepted', () => gate.minted(refund)),
    own('the control', refund),
    own('a read without a body', get),
    own('a path with escapes and an empty query', { ...get, path: '/refunds/a%2Fb%20c%7e?' }),
    own('a query that could be written otherwise', { ...refund, path: '/refunds?b=%c3%A4&a=+&&x' }),
    own('a body that is no text', { ...refund, body: Buffer.from([0, 255, 10, 13, 0x80]) }),
    own('an empty body', { ...refund, body: null }),
    claim('a subject outside ASCII', 'accepted', () => ({ sub: 'Kundin-ä-客' })),
    claim('several audiences, one of them ours', 'accepted', () => ({ aud: ['x.test', gate.trustDomain] })),
    claim('an agent that works for nobody else', 'accepted', () => ({ act: { sub: 'coordinator' } })),
    claim('just ended, within the tolerance', 'accepted', () => ({ iat: now() - 60, exp: now() - 2 })),
    claim('just ahead, within the tolerance', 'accepted', () => ({ iat: now() + 3, exp: now() + 60 })),
    head('the long form of typ', 'accepted', { typ: 'application/TxnToken+JWT' }),

    row('no header', 'token_missing', () => null),
    row('a task token', 'token_kind', () => {
      const claims = { iss: gate.publicUrl, aud: gate.publicUrl, iat: now(), exp: now() + 60, sub: 'coordinator' };
      return sign(claims, { typ: 'at+jwt', kid: gate.task.kid }, gate.task.key);
    }),
    text('the header twice', 'token_malformed', (token) => [token, token]),
    text('a second, empty header', 'token_malformed', (token) => [token, '']),
    text('two tokens in one header', 'token_malformed', (token) => `${token}, ${token}`),
    text('a scheme before it', 'token_malformed', (token) => `Bearer ${token}`),
    text('four parts', 'token_malformed', (token) => `${token}.AAAA`),
    text('two parts', 'token_malformed', (token) => token.split('.').slice(0, 2).join('.')),
    text('padding', 'token_malformed', (token) => `${token}==`),
    text('an odd alphabet', 'token_malformed', (token) => `${token.slice(0, -4)}+/+/`),
    text('trailing bits', 'token_malformed', (token) => `${token.slice(0, -1)}${token.endsWith('B') ? 'C' : 'B'}`),
    text('a header that is a list', 'token_malformed', (token) => token.replace(/^[^.]+/, base64url('[]'))),
    text('claims that are no JSON', 'token_malformed', (token) => token.replace(/\.[^.]+/, `.${base64url('{"a":')}`)),
    row('claims that are a list', 'token_malformed', () => forge({ header, claims: {}, claimsText: '["iss"]', key })),
    row('a claim twice', 'token_malformed', () => {
      const claimsText = JSON.stringify(claimsFor(refund)).replace(/^\{/, '{"sub":"customer-d",');
      return forge({ header, claims: {}, claimsText, key });
    }),
    row('a member of tctx twice', 'token_malformed', () => {
      const claimsText = JSON.stringify(claimsFor(refund)).replace('"purpose"', '"task_id":"task_2","purpose"');
      return forge({ header, claims: {}, claimsText, key });
    }),
    text('no text at all', 'token_malformed', () => 'x'),

    head('another typ', 'token_kind', { typ: 'at+jwt' }),
    head('no typ', 'token_kind', { typ: undefined }),
    head('no kid', 'token_kind', { kid: undefined }),
    head('a kid of another purpose', 'token_kind', { kid: kid.replace('.txn.', '.audit.') }),
    head('a Txn-Token by the key of task tokens', 'token_kind', { kid: gate.task.kid }, gate.task.key),
    head('the key of task tokens under the kid', 'signature_invalid', {}, gate.task.key),
    head('a stranger under the kid', 'signature_invalid', {}, stranger.privateKey),
    head('a kid nobody knows', 'key_unknown', { kid: 'gate-1.txn.AAAAAAAAAAAAAAAA' }, stranger.privateKey),
    head('a critical extension', 'header_not_allowed', { crit: ['x'], x: 1 }),
    head('a payload that is not base64url', 'header_not_allowed', { b64: false }),
    head('a key that it brings along', 'header_not_allowed', { jwk: publicJwk(stranger) }, stranger.privateKey),
    text('alg none', 'alg_not_allowed', (token) => {
      return `${base64url(JSON.stringify({ ...header, alg: 'none' }))}.${part(token, 1)}.${part(token, 2)}`;
    }),
    row('the public key as a secret', 'alg_not_allowed', () => {
      return forge({ header: { ...header, alg: 'HS256' }, claims: claimsFor(refund), key: stranger.publicKey });
    }),
    head('an algorithm of another curve', 'alg_not_allowed', { alg: 'ES384' }),
    text('a changed signature', 'signature_invalid', (token) => {
      const signature = Buffer.from(part(token, 2), 'base64url');
      signature[9] = (signature[9] as number) ^ 1;
      return `${part(token, 0)}.${part(token, 1)}.${base64url(signature)}`;
    }),
    text('a signature of zeros', 'signature_invalid', (token) => {
      return `${part(token, 0)}.${part(token, 1)}.${base64url(Buffer.alloc(64))}`;
    }),
    text('a short signature', 'signature_invalid', (token) => {
      return `${part(token, 0)}.${part(token, 1)}.${base64url(Buffer.from(part(token, 2), 'base64url').subarray(1))}`;
    }),
    text('a signature with a zero between its halves', 'signature_invalid', (token) => {
      const signature = Buffer.from(part(token, 2), 'base64url');
      const longer = Buffer.concat([signature.subarray(0, 32), Buffer.alloc(1), signature.subarray(32)]);
      return `${part(token, 0)}.${part(token, 1)}.${base64url(longer)}`;
    }),
    text('claims of another token', 'signature_invalid', (token) => {
      const claims = { ...claimsFor(refund), sub: 'customer-d' };
      return `${part(token, 0)}.${base64url(JSON.stringify(claims))}.${part(token, 2)}`;
    }),

    claim('another issuer', 'issuer_unknown', () => ({ iss: 'https://evil.test' })),
    claim('the issuer with a slash', 'issuer_unknown', () => ({ iss: `${gate.publicUrl}/` })),
    claim('another trust domain', 'audience_wrong', () => ({ aud: 'elsewhere.test' })),
    claim('audiences without ours', 'audience_wrong', () => ({ aud: ['a.test', 'b.test'] })),
    claim('expired', 'token_expired', () => ({ iat: now() - 66, exp: now() - 6 })),
    claim('from the future', 'token_not_yet_valid', () => ({ iat: now() + 9, exp: now() + 60 })),
    claim('not before later', 'token_not_yet_valid', () => ({ nbf: now() + 9 })),
    claim('too long a life', 'token_lifetime', () => ({ exp: now() + 90 })),
    claim('an end before the beginning', 'claim_invalid', () => ({ iat: now() + 3, exp: now() + 1 })),
    claim('an end that is a text', 'claim_invalid', () => ({ exp: String(now() + 60) })),
    claim('an end that is a fraction', 'claim_invalid', () => ({ exp: now() + 59.5 })),
    claim('a beginning that is a text', 'claim_invalid', () => ({ iat: String(now()) })),
    claim('not before a text', 'claim_invalid', () => ({ nbf: String(now()) })),
    claim('an end that is true', 'claim_invalid', () => ({ exp: true })),
    claim('an empty sub', 'claim_invalid', () => ({ sub: '' })),
    claim('a sub that is an object', 'claim_invalid', () => ({ sub: { id: 'customer-c' } })),
    claim('a sub with a line break', 'claim_invalid', () => ({ sub: 'customer-c\nadmin' })),
    claim('an empty req_wl', 'claim_invalid', () => ({ req_wl: '', act: { sub: '' } })),
    claim('an empty txn', 'claim_invalid', () => ({ txn: '' })),
    claim('a txn of 256 characters', 'claim_invalid', () => ({ txn: 'x'.repeat(256) })),
    claim('an act of another agent', 'claim_invalid', () => ({ act: { sub: 'planner' } })),
    claim('an act that is a list', 'claim_invalid', () => ({ act: [{ sub: 'coordinator' }] })),
    claim('an act for nobody', 'claim_invalid', () => ({ act: { sub: 'coordinator', act: {} } })),
    ...['iss', 'sub', 'aud', 'iat', 'exp', 'txn', 'scope', 'req_wl', 'act', 'tctx'].map((name) => {
      return row(`no ${name}`, 'claim_missing', () => sign(without(claimsFor(refund), name)));
    }),
    claim('an audience that is a number', 'claim_invalid', () => ({ aud: 7 })),
    claim('an issuer that is null', 'claim_invalid', () => ({ iss: null })),
    claim('a tctx that is a list', 'claim_missing', () => ({ tctx: ['sent_digest'] })),
    claim('no digest', 'claim_missing', () => ({ tctx: without(claimsFor(refund).tctx as Members, 'sent_digest') })),
    ...['task_id', 'root_task_id', 'purpose', 'operation', 'subject_assurance', 'agent_issuer'].map((name) => {
      return context(`no ${name}`, 'claim_invalid', { [name]: undefined });
    }),
    context('an assurance nobody knows', 'claim_invalid', { subject_assurance: 'sure' }),
    context('a digest that is a list', 'request_changed', { sent_digest: [sentDigest('POST', '/refunds', null)] }),

    claim('another operation in scope', 'operation_wrong', () => ({ scope: 'refunds.get_refund' })),
    context('another operation in tctx', 'operation_wrong', { operation: 'refunds.get_refund' }),
    other('a token for another operation of this service', 'operation_wrong', get),
    other('another body', 'request_changed', { body: Buffer.from('{"amount_cents":101}') }),
    other('the same JSON in other bytes', 'request_changed', { body: Buffer.from('{"amount_cents": 100}') }),
    other('no body', 'request_changed', { body: null }),
    other('another query', 'request_changed', { path: '/refunds?dry=0' }),
    other('no query', 'request_changed', { path: '/refunds' }),
    context('another method', 'request_changed', { sent_digest: sentDigest('PUT', refund.path, refund.body) }),
  ];
}
