/** What the wrong bundles are made of: the world, purposes, and one fault put into a file that has none. */
import type { LintCode } from '../../../../src/policy/lint/fault.ts';
import type { LintWorld } from '../../../../src/policy/lint/world.ts';

const refundInput = {
  type: 'object',
  properties: {
    path: { type: 'object', properties: {}, additionalProperties: false },
    body: {
      type: 'object',
      properties: { amount_cents: { type: 'integer' }, customer_id: { type: 'string' }, more: { type: 'object' } },
      additionalProperties: false,
    },
  },
  additionalProperties: false,
};

export const world: LintWorld = {
  operations: [
    { name: 'orders.get_order', route: 'orders', effect: 'read', remember: [] },
    { name: 'gpt-4.chat', route: 'gpt-4', effect: 'write', remember: [] },
    {
      ...{ name: 'refunds.create_refund', route: 'refunds', effect: 'write' },
      ...{ remember: ['body.amount_cents'], inputSchema: refundInput },
    },
  ],
  routes: ['orders', 'gpt-4', 'refunds'],
  issuers: ['azure'],
  subjectIssuers: ['shop'],
};

export interface Row {
  readonly what: string;
  readonly bad: Readonly<Record<string, string>>;
  readonly good: Readonly<Record<string, string>>;
  readonly file: string;
  readonly line: number;
  readonly code: LintCode;
  readonly told: RegExp;
}

const callFile = 'tollgate/call/a.rego';
const dataFile = 'tollgate/purposes/data.yaml';

/** One rule file, in which `wrong` takes the place of `right`. */
export function rego(
  what: string,
  text: string,
  right: string,
  wrong: string,
  line: number,
  code: LintCode,
  told: RegExp,
): Row {
  const inPackage = text.startsWith('package') ? text : `package tollgate.call\n\nimport data.tollgate.lib\n\n${text}`;
  if (!inPackage.includes(right)) throw new Error(`${what}: the text has no ${right}`);
  const lib =
    'package tollgate.lib\n\ncalled(_) := true\n\nmatches(_, _) := true\n\nreason(a, b) := {"code": a, "message": b}\n';
  return {
    ...{ what, file: callFile, line, code, told },
    bad: { [callFile]: inPackage.replace(right, wrong), 'tollgate/lib/l.rego': lib, [dataFile]: purposes },
    good: { [callFile]: inPackage, 'tollgate/lib/l.rego': lib, [dataFile]: purposes },
  };
}

/** Refunds, and a part of it. */
export const purposes = `refund:
  issuers: [azure]
  agents: [coordinator]
  subject:
    types: [customer]
    issuers: [shop]
  task: { ttl_seconds: 60, budget: { calls: 3 } }
  regions: ["eu-*"]
  same_subject: [customer_id]
  x_owner: returns
  operations:
    gpt-4.chat: { effects: [write], max_tokens: 10, tool_kinds: [function] }
    refunds.create_refund:
      effects: [write]
      sends: outside
      subject_at: [body.customer_id]
      limits:
        - name: refund
          argument: body.amount_cents
          unit: cents
          each: 100
          task_sum: 200
assess:
  issuers: [azure]
  agents: [legal]
  part_of: [refund]
  subject: { types: [customer] }
  same_subject: []
  operations:
    orders.get_order: { effects: [read] }
`;

export function data(what: string, right: string, wrong: string, line: number, code: LintCode, told: RegExp): Row {
  if (!purposes.includes(right)) throw new Error(`${what}: the text has no ${right}`);
  const bad = { [dataFile]: purposes.replace(right, wrong) };
  return { ...{ what, line, code, told, bad }, file: dataFile, good: { [dataFile]: purposes } };
}

export const deny = (body: string) => `deny contains "x" if {\n\t${body.split('; ').join('\n\t')}\n}\n`;
export const allow = (body: string, above = '') =>
  `${above}allow contains "x" if {\n\t${body.split('; ').join('\n\t')}\n}\n`;
