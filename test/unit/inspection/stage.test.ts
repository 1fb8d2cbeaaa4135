import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deny, isDenial } from '../../../src/denial.ts';
import { inspectAnswer, obeyAnswer } from '../../../src/inspection/answer.ts';
import { findingsMax } from '../../../src/inspection/finding_limit.ts';
import { Inspector } from '../../../src/inspection/scan.ts';
import { obeyStage, scanStage } from '../../../src/inspection/stage.ts';
import { judge } from '../../../src/stage.ts';
import { callWith, Document, decisionWith, digestKey } from './document.ts';

const inspector = new Inspector();
const scanning = scanStage(inspector);
const obeying = obeyStage(inspector);
const mail = 'ann@example.com';

async function walk(document: Document, obligations: Parameters<typeof decisionWith>[0]): Promise<unknown> {
  const call = callWith(document);
  const found = await scanning.admit(call);
  if (isDenial(found)) return found;
  return obeying.admit({ ...call, ...found, decision: decisionWith(obligations) });
}

test('scanning adds findings that its own guard takes', async () => {
  const fact = await scanning.admit(callWith(new Document({ a: mail })));
  assert.deepEqual(fact, { inspection: { findings: [{ type: 'email', count: 1, where: '/a', confidence: 0.95 }] } });
  assert.equal(judge(scanning, fact), fact);
  assert.equal(judge(scanning, { inspection: {} }), undefined);
});

test('a call with more places than a policy can decide on is refused', async () => {
  const fact = await scanning.admit(callWith(new Document(Array.from({ length: findingsMax + 1 }, () => mail))));
  assert.ok(isDenial(fact));
  assert.equal(fact.code, 'pii_blocked');
});

test('obeying changes the payload and has it validated again', async () => {
  const document = new Document({ a: mail });
  const fact = await walk(document, { redact: [{}] });
  assert.deepEqual(fact, { obeyed: { changed: true, unhandled: [] } });
  assert.equal(judge(obeying, fact), fact);
  assert.deepEqual(document.document(), { a: '[redacted:email]' });
  assert.equal(document.validated, 1);
});

test('what was not changed is not validated again', async () => {
  const document = new Document({ a: mail });
  assert.deepEqual(await walk(document, {}), {
    obeyed: { changed: false, unhandled: [{ type: 'email', count: 1, where: '/a', confidence: 0.95 }] },
  });
  assert.equal(document.validated, 0);
});

test('arguments that are no longer valid after redaction are refused', async () => {
  const invalid = deny('args_invalid', 'a must be an e-mail address');
  assert.equal(await walk(new Document({ a: mail }, { invalid }), { redact: [{}] }), invalid);
});

test('a block ends the call', async () => {
  const denial = await walk(new Document({ a: mail }), { block: [{ type: 'email' }] });
  assert.ok(isDenial(denial));
  assert.equal(denial.code, 'pii_blocked');
});

test('answers are inspected and obeyed like calls', () => {
  const document = new Document({ choices: [{ message: { content: `write to ${mail}` } }] });
  const findings = inspectAnswer(inspector, document.asAnswer());
  assert.deepEqual(findings, [{ type: 'email', count: 1, where: '/choices/0/message/content', confidence: 0.95 }]);
  const decision = decisionWith({ redact: [{ type: 'email' }] });
  const result = obeyAnswer(inspector, document.asAnswer(), findings, decision, digestKey);
  assert.deepEqual(result, { changed: true, unhandled: [] });
  assert.deepEqual(document.document(), { choices: [{ message: { content: 'write to [redacted:email]' } }] });
  const blocked = obeyAnswer(
    inspector,
    new Document(mail).asAnswer(),
    findings,
    decisionWith({ block: [{}] }),
    digestKey,
  );
  assert.ok(isDenial(blocked));
});

test('an answer with very many places is told in sum, and still obeyed by place', () => {
  const document = new Document(Array.from({ length: findingsMax + 1 }, () => mail));
  const findings = inspectAnswer(inspector, document.asAnswer());
  assert.deepEqual(findings, [{ type: 'email', count: findingsMax + 1, where: '', confidence: 0.95 }]);
  const decision = decisionWith({ redact: [{ path: '/7' }] });
  const result = obeyAnswer(inspector, document.asAnswer(), findings, decision, digestKey);
  assert.ok(!isDenial(result));
  assert.equal((document.document() as string[])[7], '[redacted:email]');
  assert.equal(result.unhandled.length, findingsMax);
});
