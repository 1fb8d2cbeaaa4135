/** `tollgate policy replay`: what a bundle would have decided otherwise, over the calls that really were made. */
import { parseArgs } from 'node:util';
import { RecordedTrail } from '../audit/recorded.ts';
import { Replay, type ReplayReport } from '../policy/replay/replay.ts';
import { type Command, Usage } from './command.ts';
import { namedTrail, openCandidate, sinceMs, trailHelp, trailOptions } from './policy-trail.ts';
import { cell, table } from './table.ts';

export const policyReplay: Command = {
  help: `usage: tollgate policy replay --bundle NEW [--since 7d] (--config F | --data-dir D) [--json] [--fail-on-change]

Decides every call, every answer and every opened task of the trail again with NEW, a folder of policies or a compiled
.tar.gz, and prints what would have changed, by rule, agent and operation, with up to three examples each; and what is
uncertain. What an input was built without, because the policies then did not refer to it, is put back out of the rest
of the trail. Nothing is written, and nothing is put in force. Replaying the policies in force must change nothing.
Inputs of tasks that were refused are not kept, and what a task was granted is not compared.

  --bundle NEW      the policies to try
  --since SPAN      how far back: 30m, 8h, 7d (the default)
${trailHelp}
  --json            the whole report as JSON
  --fail-on-change  exit 1 if anything would change

Exit 0 it was replayed, 1 NEW or the trail cannot be used (or with --fail-on-change: something changes), 2 usage.`,
  async run(argv, surroundings) {
    const options = { ...trailOptions, 'fail-on-change': { type: 'boolean' } } as const;
    const { values } = parseArgs({ args: [...argv], options });
    if (values.bundle === undefined) throw new Usage('--bundle NEW is missing: the policies to try');
    const span = values.since ?? '7d';
    const fromMs = sinceMs(span);
    const { dataDir } = await namedTrail(values, surroundings);
    const candidate = await openCandidate(values.bundle, surroundings);
    using trail = new RecordedTrail(dataDir);
    const replay = new Replay(candidate, trail);
    for (const page of trail.pages({ fromMs, types: ['intent', 'outcome', 'denial', 'task'] })) {
      for (const decision of page) replay.add(decision);
    }
    const report = replay.report();
    const whole = { bundle: values.bundle, since: new Date(fromMs).toISOString(), ...report };
    surroundings.out(values.json ? JSON.stringify(whole, null, 2) : textOf(values.bundle, span, report));
    return values['fail-on-change'] === true && report.changed > 0 ? 1 : 0;
  },
};

const changeTexts: Readonly<Record<string, string>> = {
  deny_to_allow: 'denied, would be allowed',
  approval_to_allow: 'needed approval, would be allowed',
  deny_to_approval: 'denied, would need approval',
  allow_to_deny: 'allowed, would be denied',
  approval_to_deny: 'needed approval, would be denied',
  allow_to_approval: 'allowed, would need approval',
  obligations: 'other obligations',
  reasons: 'other reasons',
};

function textOf(bundle: string, span: string, report: ReplayReport): string {
  const { decided_calls: calls, decided_answers: answers, decided_tasks: tasks, changed, groups } = report;
  const counted = `${calls} calls, ${answers} answers and ${tasks} tasks decided again`;
  const lines = [
    `${bundle}, revision ${cell(report.revision)}, over the last ${span}: ${counted}`,
    changed === 0 ? 'nothing changes' : `${changed} would change`,
  ];
  if (report.rebuilt > 0) lines.push(`${report.rebuilt} were decided on inputs with parts put back from the trail`);
  if (changed > 0) {
    const rows = groups.map((group) => [
      group.count,
      `${group.phase === 'response' ? 'answer ' : ''}${changeTexts[group.change] ?? group.change}`,
      group.rules.join(', '),
      group.agent,
      group.operation,
    ]);
    lines.push('', table(['COUNT', 'CHANGE', 'RULE', 'AGENT', 'OPERATION'], rows));
    if (report.groups_left_out > 0) lines.push(`and ${report.groups_left_out} changes in further groups`);
    const examples = groups.flatMap((group) =>
      group.examples.map(({ call, task, time, was, becomes }) => [
        group.rules.join(', '),
        ...[call, task, time, was === null ? '?' : was.join(', '), becomes.join(', ')],
      ]),
    );
    lines.push('', table(['RULE', 'CALL', 'TASK', 'TIME', 'WAS', 'WOULD BE'], examples));
  }
  const uncertain = uncertainties(report);
  if (uncertain.length > 0) lines.push('', 'uncertain:', ...uncertain.map((line) => `  ${line}`));
  return lines.join('\n');
}

/** What keeps the report from being the whole truth, a line each; nothing where nothing does. */
function uncertainties({ uncertain, changed_on_redacted: onRedacted, same_revision: own }: ReplayReport): string[] {
  const { redacted, undecided_rate: rate } = uncertain;
  const lines: string[] = [];
  const line = (count: number, text: string) => {
    if (count > 0) lines.push(`${count} ${text}`);
  };
  line(
    redacted.decided,
    `were decided on redacted values: ${onRedacted} of them change, ${redacted.sensitive} would be decided otherwise on other values`,
  );
  line(uncertain.not_recorded, 'have no recorded input (tasks that were refused have none)');
  line(uncertain.erased, 'have an input that was erased');
  line(uncertain.cut, 'have an input that was cut at audit.payload_bytes');
  line(uncertain.unreadable, 'have an input that was changed: run tollgate audit verify');
  const parts = Object.entries(uncertain.left_out).map(([part, count]) => `${part} of ${count}`);
  line(
    uncertain.left_out_decisions,
    `were decided without what NEW refers to, and the trail does not tell it: ${parts.join(', ')}`,
  );
  line(uncertain.answers_not_recorded, 'answers are not kept: erased, or from before they were');
  line(uncertain.decision_unknown, 'ended before their decision was enforced');
  const problems = uncertain.problems.map(({ problem }) => cell(problem)).join('; ');
  line(uncertain.other_shape, `have an input of another version: ${problems}`);
  if (rate > 0) lines.push(`in all ${(rate * 100).toFixed(1)} % of what the policy was asked was not decided again`);
  if (own.changed > 0) {
    lines.push(
      `${own.changed} of ${own.decided} that this same revision had decided come out otherwise: the revision names other policies, or the gate has changed`,
    );
  }
  return lines;
}
