/**
 * Policies of fifty rules of all the shapes that policies have, made from a seed, over 160 KB of nested data. Each rule
 * can come out both ways, by how it is made: whoever adds a shape sees to that, since the proof is held to it.
 */
import { Chooser, seededBytes } from '../../../src/policy/proof/chooser.ts';
import { bundleOf } from './bundles.ts';

const rulesWanted = 50;
const items = 1_100;
const weekdays = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const personal = ['email', 'card', 'iban', 'phone', 'name'];

/** A rule's conditions, and rules that stand beside it. */
interface Shaped {
  readonly body: readonly string[];
  readonly beside?: readonly string[];
}

interface Spec {
  readonly index: number;
  /** The rule's own row of the data. */
  readonly row: string;
  readonly choose: Chooser;
}

const asked = ({ row }: Spec) => `input.call.operation == ${row}.operation`;

type Shape = (spec: Spec) => Shaped;

const shapes: Readonly<Record<string, Shape>> = {
  amount: (spec) => ({ body: [asked(spec), `input.call.arguments.body.amount > ${spec.row}.each`] }),
  sum: (spec) => ({
    body: [
      asked(spec),
      'before := object.get(input.task.counts, [input.call.operation, "sums", "body.amount"], 0)',
      `before + input.call.arguments.body.amount > ${spec.row}.sum`,
    ],
  }),
  hours: (spec) => ({
    body: [
      asked(spec),
      `input.time.hour >= ${spec.row}.from`,
      `input.time.hour < ${spec.row}.until`,
      `input.time.minute != ${spec.choose.integer(60)}`,
      `input.time.weekday in ${spec.row}.days`,
    ],
  }),
  windows: (spec) => ({
    body: [
      asked(spec),
      `some window in ${spec.row}.windows`,
      'input.time.hour >= window[0]',
      'input.time.hour <= window[1]',
    ],
  }),
  approved: (spec) => ({
    body: [asked(spec), `not approved_${spec.index}`],
    beside: [
      `approved_${spec.index} if {\n\tsome entry in input.task.history\n\tentry.operation == ${spec.row}.before\n\tentry.state == "done"\n}`,
    ],
  }),
  order: ({ row }) => ({
    body: [
      'some i, first in input.task.history',
      `first.operation == ${row}.before`,
      'some j, second in input.task.history',
      'j > i',
      `second.operation == ${row}.operation`,
      'second.state != "denied"',
    ],
  }),
  labels: ({ index, choose }) => ({
    body: [
      `input.task.labels.tier == "tier-${index}"`,
      'not input.task.labels.waived',
      `input.task.labels.score >= ${choose.integer(100)}`,
    ],
  }),
  findings: ({ row, choose }) => ({
    body: [
      'some finding in input.findings',
      `finding.type in ${row}.types`,
      `finding.count > ${1 + choose.integer(9)}`,
      'finding.confidence >= 0.8',
      `input.call.route == ${row}.route`,
    ],
  }),
  agents: ({ index, choose }) => ({
    body: [
      choose.oneIn(2)
        ? `glob.match("desk-${index}-*", [], input.agent.id)`
        : `startswith(lower(input.agent.id), "team${index}.")`,
      'input.agent.tenant != "acme"',
    ],
  }),
  limits: ({ index }) => ({
    body: [
      'limit := data.tollgate.limits[input.call.operation]',
      `limit.tier == "tier_${index % 7}"`,
      `input.call.arguments.body.amount * ${2 + (index % 3)} > limit.each`,
      `input.agent.cloud == "cloud-${index}"`,
    ],
  }),
  catalog: ({ index, choose }) => ({
    body: [
      'item := data.tollgate.catalog[input.call.arguments.sku]',
      `item.shelf == "shelf-${index % 20}"`,
      `item.price.amount > ${choose.integer(50)}`,
      'not input.agent.id in item.owners',
    ],
  }),
  nobody: (spec) => ({ body: [asked(spec), 'input.subject == null', 'input.call.effect == "write"'] }),
  chain: (spec) => ({
    body: [asked(spec), `input.call.max_tokens > cap_${spec.index}`],
    beside: [
      `cap_${spec.index} := ${spec.row}.each if {\n\tinput.task.purpose == "purpose-${spec.index}"\n} else := 10 if {\n\tinput.call.model == "m-${spec.index}"\n} else := 20 if {\n\tinput.call.stream\n\tcount(input.task.taint) == 2\n}`,
    ],
  }),
  everyTool: ({ index }) => ({
    body: [
      `input.call.route == "model-${index}"`,
      'count(input.call.tools) > 1',
      'every tool in input.call.tools {\n\t\ttool.kind == "function"\n\t\tstartswith(tool.name, "get_")\n\t}',
    ],
  }),
  cost: ({ row, index }) => ({
    body: [
      `total := sum([entry.cost_micro_usd | some entry in input.task.history; entry.kind == "model"; entry.operation == ${row}.before])`,
      `total > ${row}.sum`,
      `input.task.spent.calls < ${10 + index}`,
    ],
  }),
  failures: ({ row, choose }) => ({
    body: [
      `failed := {entry.at_ms | some entry in input.task.history; entry.state == "failed"; entry.operation == ${row}.operation}`,
      `count(failed) >= ${2 + choose.integer(2)}`,
    ],
  }),
  helper: (spec) => ({
    body: [asked(spec), `too_much_${spec.index}(input.call.arguments.query.limit, ${spec.row})`],
    beside: [
      `too_much_${spec.index}(value, row) if {\n\tis_number(value)\n\tvalue > row.each\n}\n\ntoo_much_${spec.index}(value, row) if value == row.route`,
    ],
  }),
  provenance: (spec) => ({
    body: [
      asked(spec),
      'some pointer, source in input.call.provenance',
      `startswith(pointer, "/body/part_${spec.index}")`,
      'source == "model"',
    ],
  }),
  claims: ({ index }) => ({
    body: [`"group-${index}" in input.agent.claims.groups`, 'input.subject.assurance == "asserted"'],
  }),
  risky: (spec) => ({
    body: [`count(risky_${spec.index}) > 1`, `"${spec.index}" in split(input.call.path, "/")`],
    beside: [
      `risky_${spec.index} contains entry.operation if {\n\tsome entry in input.task.history\n\tentry.effect == "write"\n\tentry.target == ${spec.row}.route\n}`,
    ],
  }),
  paths: ({ index }) => ({
    body: [`regex.match(\`^/v${index}/(orders|refunds)/[0-9]{3,6}$\`, input.call.path)`, 'input.call.method != "GET"'],
  }),
  taint: (spec) => ({
    body: [asked(spec), '"private" in input.task.taint', 'input.call.sends == "outside"', 'not input.call.stream'],
  }),
  counts: ({ row }) => ({
    body: [
      'some name, count_of in input.task.counts',
      `name == ${row}.operation`,
      'count_of.calls - count_of.failed > 3',
      `count_of.sums["body.amount"] >= ${row}.each`,
    ],
  }),
  recent: ({ row, choose }) => ({
    body: [
      'some entry in input.task.history',
      `entry.operation == ${row}.operation`,
      `input.time.unix_ms - entry.at_ms < ${60_000 * (1 + choose.integer(60))}`,
      'input.time.unix_ms >= entry.at_ms',
    ],
  }),
};

/** The files of a bundle of fifty rules, of the shapes and with the numbers that `seed` gives. */
export function fiftyRules(seed: number): Record<string, string> {
  const choose = new Chooser(seededBytes(seed));
  const rows: Record<string, object> = {};
  const limits: Record<string, object> = {};
  const names = Object.keys(shapes);
  const start = choose.integer(names.length);
  const texts: string[] = [];
  let made = 0;
  for (let index = 0; made < rulesWanted; index++) {
    const own = `row_${index}`;
    const from = choose.integer(20);
    const kinds = [choose.of(personal), choose.of(personal)];
    rows[own] = {
      ...{ operation: `shop.op_${index}`, before: `shop.before_${index}`, route: `route-${index}` },
      ...{ each: 10 * (1 + choose.integer(500)), sum: 1_000 * (1 + choose.integer(90)), types: kinds },
      ...{ from, until: from + 1 + choose.integer(4), days: [choose.of(weekdays), choose.of(weekdays)] },
      windows: [
        [choose.integer(6), 6 + choose.integer(6)],
        [13 + choose.integer(4), 18 + choose.integer(6)],
      ],
    };
    limits[`shop.op_${index}`] = { tier: `tier_${index % 7}`, each: 100 * choose.integer(100) };
    const shape = shapes[names[(start + index) % names.length] as string] as Shape;
    const { body, beside = [] } = shape({ index, row: `data.tollgate.rows.${own}`, choose });
    if (made + 1 + beside.length > rulesWanted) continue;
    made += 1 + beside.filter((text) => !text.startsWith('too_much')).length;
    texts.push(`deny contains {"code": "rule_${index}", "message": "no"} if {\n\t${body.join('\n\t')}\n}`, ...beside);
  }
  const catalog = Object.fromEntries(
    Array.from({ length: items }, (_, index) => [
      `sku-${index}`,
      {
        ...{ shelf: `shelf-${index % 20}`, price: { amount: choose.integer(100), currency: 'EUR' } },
        ...{
          owners: [`agent-${index % 13}`, `agent-${index % 7}`],
          tags: [`tag-${index % 90}`, 'stocked', 'in season'],
        },
      },
    ]),
  );
  const decision = 'decision := {"allow": count(deny) == 0, "reasons": sort([reason | some reason in deny])}';
  return {
    ...bundleOf([decision, ...texts].join('\n\n')),
    'tollgate/rows/data.json': JSON.stringify(rows),
    'tollgate/limits/data.json': JSON.stringify(limits),
    'tollgate/catalog/data.json': JSON.stringify(catalog),
  };
}
