/** Purposes with one fault each: as sources, with a good twin, and as the data of a compiled bundle. */
import type { LintCode } from '../../../../src/policy/lint/fault.ts';
import { data, type Row } from './faulty.ts';

export const purposeRows: readonly Row[] = [
  data(
    'a key that nothing reads',
    'ttl_seconds',
    'ttl_second',
    7,
    'data_shape',
    /unknown key ttl_second; did you mean ttl_seconds/,
  ),
  data('a value of another kind', 'each: 100', 'each: "100"', 21, 'data_shape', /expected number, found "100"/),
  data('a key that is missing', '  agents: [legal]\n', '', 23, 'data_shape', /agents is missing/),
  data(
    'an effect that there is not',
    'orders.get_order: { effects: [read] }',
    'orders.get_order: { effects: [reads] }',
    30,
    'data_shape',
    /expected one of: read, write, delete/,
  ),
  data(
    'an operation that there is not',
    'orders.get_order:',
    'orders.get_oder:',
    30,
    'operation_unknown',
    /did you mean orders\.get_order/,
  ),
  data(
    'a pattern for operations',
    'orders.get_order:',
    'orders.*:',
    30,
    'operation_unknown',
    /one by one here, without patterns/,
  ),
  data(
    'a whole that is no purpose',
    'part_of: [refund]',
    'part_of: [refnd]',
    26,
    'purpose_unknown',
    /did you mean refund/,
  ),
  data(
    'an issuer that is not configured',
    'issuers: [azure]',
    'issuers: [aws]',
    2,
    'issuer_unknown',
    /no issuer of agents "aws"/,
  ),
  data(
    'an issuer of subjects',
    'issuers: [shop]',
    'issuers: [azure]',
    6,
    'issuer_unknown',
    /no issuer of subjects "azure"/,
  ),
  data(
    'a limit on what is not remembered',
    'argument: body.amount_cents',
    'argument: body.more.amount',
    19,
    'argument_not_remembered',
    /it remembers body\.amount_cents/,
  ),
  data(
    'a limit on what cannot be',
    'argument: body.amount_cents',
    'argument: body.amount',
    19,
    'argument_impossible',
    /no argument body\.amount/,
  ),
  data(
    'a subject where it cannot be',
    'subject_at: [body.customer_id]',
    'subject_at: [path.customer_id]',
    16,
    'argument_impossible',
    /no argument path\.customer_id/,
  ),
  data('data that is no YAML', 'types: [customer]', 'types: [customer', 6, 'data_syntax', /./),
];

const parsed = {
  issuers: ['azure'],
  agents: ['a'],
  subject: { types: ['customer'] },
  same_subject: [],
  operations: { 'orders.get_order': { effects: ['read'] } },
};

export const dataRows: readonly { what: string; purposes: unknown; pointer: string; code: LintCode }[] = [
  { what: 'shape', purposes: { p: { ...parsed, agnts: [] } }, pointer: '/p/agnts', code: 'data_shape' },
  { what: 'no object', purposes: [], pointer: '', code: 'data_shape' },
  {
    what: 'operation',
    purposes: { p: { ...parsed, operations: { 'a/b': { effects: ['read'] } } } },
    pointer: '/p/operations/a~1b',
    code: 'operation_unknown',
  },
  { what: 'part', purposes: { p: { ...parsed, part_of: ['q'] } }, pointer: '/p/part_of/0', code: 'purpose_unknown' },
];
