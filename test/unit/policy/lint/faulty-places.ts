/** Rules that read what the input does not have, each with its good twin. */
import { deny, type Row, rego } from './faulty.ts';

export const placeRows: readonly Row[] = [
  rego(
    'a misspelt member',
    deny('input.call.stream'),
    'stream',
    'streem',
    6,
    'input_unknown',
    /no input\.call\.streem; did you mean stream/,
  ),
  rego(
    'a misspelt root',
    deny('input.task.plan'),
    'input.task',
    'input.tsk',
    6,
    'input_unknown',
    /no input\.tsk; did you mean task/,
  ),
  rego(
    'a member of an entry of the history',
    deny('some e in input.task.history; e.state == "done"'),
    ...(['e.state', 'e.stat', 7, 'input_unknown', /did you mean state/] as const),
  ),
  rego(
    'a member through a variable',
    deny('t := input.task; t.counts["orders.get_order"].calls > 1'),
    ...(['.calls', '.cals', 7, 'input_unknown', /did you mean calls/] as const),
  ),
  rego(
    'a member through a rule that names a place',
    `spent := input.task.spent\n\n${deny('spent.tokens > 1')}`,
    ...(['spent.tokens', 'spent.tokns', 8, 'input_unknown', /did you mean tokens/] as const),
  ),
  rego(
    'a member through an import',
    `package tollgate.call\n\nimport input.call as asked\n\n${deny('asked.repeats > 1')}`,
    ...(['asked.repeats', 'asked.repeat', 6, 'input_unknown', /did you mean repeats/] as const),
  ),
  rego(
    'a member by object.get',
    deny('object.get(input.task, ["spent", "tokens"], 0) > 1'),
    ...(['"tokens"', '"token"', 6, 'input_unknown', /no input\.task\.spent\.token; did you mean tokens/] as const),
  ),
  rego(
    'a list read as an object',
    deny('input.task.history[_].state == "done"'),
    ...(['history[_].state', 'history.state', 6, 'input_unknown', /is a list: expected `some … in`/] as const),
  ),
  rego(
    'below a text',
    deny('input.call.route == "orders"'),
    'call.route ==',
    'call.route.name ==',
    6,
    'input_unknown',
    /no object/,
  ),
  rego(
    'a member in a comprehension',
    deny('count([t | some t in input.call.tools; t.kind != "function"]) > 0').replace('tools\n\t', 'tools; '),
    ...(['t.kind', 't.kinds', 6, 'input_unknown', /did you mean kind/] as const),
  ),
  rego(
    'a member in every',
    deny('every f in input.findings { f.count < 3 }'),
    ...(['f.count', 'f.number', 6, 'input_unknown', /expected one of: type, count/] as const),
  ),
  rego(
    'a member of an answer, in the package of calls',
    `package tollgate.response\n\n${deny('input.response.status > 299')}`,
    ...(['package tollgate.response', 'package tollgate.call', 4, 'input_unknown', /no input\.response/] as const),
  ),
  rego(
    'what with changes',
    deny('lib.called("*") with input.call.stream as true'),
    'stream',
    'strem',
    6,
    'input_unknown',
    /stream/,
  ),
];
