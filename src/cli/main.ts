/**
 * The `tollgate` command: finds the command, hands it its arguments, turns what goes wrong into a message and an exit
 * code (0 good, 1 the answer is no, 2 the call was wrong). One file a command; this is the only place besides
 * `main.ts` that reads the environment.
 */
import { type Command, Usage } from './command.ts';
import { printable } from './table.ts';

interface Entry {
  /** One or two words. */
  readonly name: string;
  readonly summary: string;
  /** Loaded when it is called: verifying a trail should not wait for the whole gate to be read in. */
  readonly load: () => Promise<Command>;
}

const commands: readonly Entry[] = [
  {
    name: 'start',
    summary: 'start the gate with a tollgate.yaml',
    load: async () => (await import('./start.ts')).start,
  },
  {
    name: 'check',
    summary: 'list every fault of a tollgate.yaml, with its line',
    load: async () => (await import('./check.ts')).check,
  },
  {
    name: 'audit verify',
    summary: 'prove the audit trail whole, or name the first bad event',
    load: async () => (await import('./audit-verify.ts')).auditVerify,
  },
  {
    name: 'policy replay',
    summary: 'what a bundle would have decided otherwise, over the recorded calls',
    load: async () => (await import('./policy-replay.ts')).policyReplay,
  },
  {
    name: 'policy suggest',
    summary: 'the least toolset that a purpose used, out of the recorded calls',
    load: async () => (await import('./policy-suggest.ts')).policySuggest,
  },
  {
    name: 'policy rollout',
    summary: 'show and move the rollout of a candidate: canary, full, back',
    load: async () => (await import('./policy-rollout.ts')).policyRollout,
  },
  {
    name: 'task ls',
    summary: 'list the tasks of a gate that is up',
    load: async () => (await import('./task-ls.ts')).taskLs,
  },
  {
    name: 'task show',
    summary: 'show a task: whose, for whom, what it has spent',
    load: async () => (await import('./task-show.ts')).taskShow,
  },
  {
    name: 'task kill',
    summary: 'kill a task and its parts, at every gateway',
    load: async () => (await import('./task-kill.ts')).taskKill,
  },
  {
    name: 'budget',
    summary: 'show what was spent, and what is left of limits',
    load: async () => (await import('./budget.ts')).budget,
  },
  {
    name: 'task raise',
    summary: 'raise the budget or the life of a task; a paused one goes on',
    load: async () => (await import('./task-raise.ts')).taskRaise,
  },
  {
    name: 'agent suspend',
    summary: 'suspend an agent, a tenant, an issuer or a route',
    load: async () => (await import('./agent-suspend.ts')).agentSuspend,
  },
  {
    name: 'agent resume',
    summary: 'end a suspension',
    load: async () => (await import('./agent-resume.ts')).agentResume,
  },
  {
    name: 'agent ls',
    summary: 'list what is suspended',
    load: async () => (await import('./agent-ls.ts')).agentLs,
  },
  {
    name: 'tools diff',
    summary: 'show what MCP servers have changed in the definitions of tools',
    load: async () => (await import('./tools-diff.ts')).toolsDiff,
  },
  {
    name: 'tools accept',
    summary: 'accept a changed definition of a tool',
    load: async () => (await import('./tools-accept.ts')).toolsAccept,
  },
  {
    name: 'tools ls',
    summary: 'list what can be called, or what one task may call',
    load: async () => (await import('./tools-ls.ts')).toolsLs,
  },
  {
    name: 'tools call',
    summary: 'call a tool once, with the checks that an agent has',
    load: async () => (await import('./tools-call.ts')).toolsCall,
  },
  {
    name: 'keys ls',
    summary: "list the gate's own keys",
    load: async () => (await import('./keys-ls.ts')).keysLs,
  },
  {
    name: 'keys rotate',
    summary: 'make a new key; the old one verifies until its tokens expire',
    load: async () => (await import('./keys-rotate.ts')).keysRotate,
  },
  {
    name: 'policy check',
    summary: 'list every fault of a policy folder, with its line',
    load: async () => (await import('./policy-check.ts')).policyCheck,
  },
  {
    name: 'policy test',
    summary: 'run the tests of a policy folder, with coverage',
    load: async () => (await import('./policy-test.ts')).policyTest,
  },
  {
    name: 'policy build',
    summary: 'compile a policy folder, and prove that it decides as OPA does',
    load: async () => (await import('./policy-build.ts')).policyBuild,
  },
  {
    name: 'policy diff',
    summary: 'show what a changed policy folder would decide otherwise',
    load: async () => (await import('./policy-diff.ts')).policyDiff,
  },
];

const help = `tollgate: the gate between AI agents and everything they touch

usage: tollgate <command> [options]

${commands.map(({ name, summary }) => `  ${name.padEnd(14)} ${summary}`).join('\n')}

Options of a command: tollgate <command> --help

First steps
  1. write a tollgate.yaml (examples/return-exceptions/tollgate.yaml is a whole one)
  2. tollgate check --config tollgate.yaml     every fault, with its line
  3. tollgate start --config tollgate.yaml     agents on 8080, people on 8081
  4. an agent: POST /tasks with its workload token, then any call with the task token it got

Exit codes: 0 good, 1 the answer is no (faults found, trail broken, refused), 2 the command was called wrongly.
`;

async function run(argv: readonly string[]): Promise<number> {
  const words = argv.filter((word) => !word.startsWith('-'));
  if (argv.length === 0 || argv[0] === '--help' || argv[0] === '-h' || argv[0] === 'help') {
    process.stdout.write(help);
    return argv.length === 0 ? 2 : 0;
  }
  const entry = commands.find(({ name }) => name.split(' ').every((word, index) => words[index] === word));
  if (entry === undefined) {
    process.stderr.write(`tollgate: there is no command ${words.join(' ')}\n\n${help}`);
    return 2;
  }
  const command = await entry.load();
  const rest = argv.slice(entry.name.split(' ').length);
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${command.help}\n`);
    return 0;
  }
  try {
    return await command.run(rest, {
      env: process.env,
      out: (text) => process.stdout.write(`${printable(text)}\n`),
      err: (text) => process.stderr.write(`${printable(text)}\n`),
    });
  } catch (fault) {
    const wrong = fault instanceof Usage || (fault as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
    process.stderr.write(`tollgate ${entry.name}: ${printable((fault as Error).message)}\n`);
    if (wrong) process.stderr.write(`\n${command.help}\n`);
    return wrong ? 2 : 1;
  }
}

process.exitCode = await run(process.argv.slice(2));
