/**
 * Says which rules fired. The compiled module cannot tell, so the pinned OPA evaluates the sources once more on the same
 * input, in a folder of its own, and reports what it covered. What a reader would get wrong: what is explained is OPA's
 * evaluation of the sources, not the decision itself; so both decisions are compared, and a difference is said.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Decision, JsonObject } from '../call.ts';
import type { Clock } from '../clock.ts';
import { capabilitiesFile } from './build.ts';
import { ShapeCheck } from './check.ts';
import {
  type Coverage,
  type ExplainedRule,
  explainedRules,
  type ParsedModule,
  rulesOfModule,
  type SourceRule,
} from './explain-rules.ts';
import { faultText, type Phase } from './instance.ts';
import { runOpa } from './opa.ts';
import { parseFiles } from './rego-files.ts';
import { BundleError, type SourceFile } from './sources.ts';

/** What is compared of two decisions. */
export type Decided = Pick<Decision, 'allow' | 'reasons' | 'obligations'>;

export interface Explained {
  readonly rules: readonly ExplainedRule[];
  /** There are more rules than are shown. */
  readonly cut: boolean;
  /** What OPA decided where the compiled module decided otherwise; null where they agree, as they must. */
  readonly mismatch: Decided | null;
  /**
   * Whether they were compared. `opa build` takes the rule of the decision out of the sources it puts beside a module;
   * of such a bundle every rule of the package is asked instead, and there is no decision of OPA's.
   */
  readonly compared: boolean;
}

/** Why no rules can be shown. */
export interface Unexplained {
  readonly unavailable: string;
}

export interface ExplainedQuestion {
  readonly phase: Phase;
  readonly input: JsonObject;
  /** What the deciding bundle was made of. One array for one bundle: what it parses to is kept as long as it is. */
  readonly files: readonly SourceFile[];
  /** What the compiled module decided. */
  readonly decision: Decided;
}

export interface RuleExplainerOptions {
  /** Absolute path of the OPA program; undefined where this machine has none. Rejects where what is named is none. */
  readonly opa: () => Promise<string | undefined>;
  readonly clock: Pick<Clock, 'after'>;
}

/** For one explanation, the waiting for a free place left out. */
const explainMs = 10_000;
/** OPA processes at once; the gate shares its cores with them. */
const runningMax = 2;
const waitingMax = 8;
const failureCharsMax = 2_000;

export class RuleExplainer {
  readonly #options: RuleExplainerOptions;
  readonly #check = new ShapeCheck();
  readonly #parsed = new WeakMap<readonly SourceFile[], Promise<readonly SourceRule[]>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: RuleExplainerOptions) {
    this.#options = options;
  }

  /**
   * The rules that fired, within 10 s. At most two evaluations run at once and eight wait; more are turned away. Never
   * rejects for what policies, inputs or OPA do.
   */
  async explain(question: ExplainedQuestion): Promise<Explained | Unexplained> {
    if (this.#running >= runningMax) {
      if (this.#waiting.length >= waitingMax) return { unavailable: 'Too many evaluations are explained at once.' };
      await new Promise<void>((go) => this.#waiting.push(go));
    } else this.#running += 1;
    const late = new AbortController();
    const timer = this.#options.clock.after(explainMs, () => late.abort());
    try {
      return await this.#explain(question, late.signal);
    } catch (fault) {
      if (late.signal.aborted) return { unavailable: `OPA took longer than ${explainMs / 1000} seconds.` };
      if (!(fault instanceof BundleError)) throw fault;
      return { unavailable: faultText(fault).slice(0, failureCharsMax) };
    } finally {
      timer.cancel();
      // Whoever waits takes over the place.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  async #explain(question: ExplainedQuestion, signal: AbortSignal): Promise<Explained | Unexplained> {
    const { phase, input, files, decision } = question;
    const opa = await this.#options.opa().catch((fault: unknown) => {
      throw new BundleError(faultText(fault));
    });
    if (opa === undefined)
      return { unavailable: 'There is no OPA on the machine of the gate; TOLLGATE_OPA names one.' };
    const folder = await mkdtemp(join(tmpdir(), 'tollgate-explain-'));
    try {
      await writeForOpa(folder, files).catch((fault: unknown) => {
        // Names of an archive need not be names of files here: one may be another's folder, or too long.
        throw new BundleError(`The sources cannot be written down for OPA: ${(fault as NodeJS.ErrnoException).code}.`);
      });
      const rules = await this.#rulesOf(files, { opa, cwd: folder, signal });
      const own = rules.filter((rule) => rule.package === `tollgate.${phase}`);
      if (own.length === 0) return { unavailable: `The bundle holds no sources of the package tollgate.${phase}.` };
      const compared = own.some(({ name }) => name === 'decision');
      const query = `data.tollgate.${phase}${compared ? '.decision' : ''}`;
      const { value, coverage } = await this.#evaluate(query, input, { opa, cwd: folder, signal });
      const decided = this.#decided(phase, value);
      return {
        ...explainedRules(rules, coverage, `tollgate.${phase}`),
        ...{ compared, mismatch: !compared || agree(decided, decision) ? null : decided },
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  #rulesOf(files: readonly SourceFile[], run: Run): Promise<readonly SourceRule[]> {
    const known = this.#parsed.get(files);
    if (known !== undefined) return known;
    const parsing = this.#parse(files, run);
    this.#parsed.set(files, parsing);
    parsing.catch(() => this.#parsed.delete(files));
    return parsing;
  }

  async #parse(files: readonly SourceFile[], run: Run): Promise<readonly SourceRule[]> {
    const { clock } = this.#options;
    const parsed = await parseFiles<ParsedModule>({ ...run, clock }, files, run.cwd);
    return parsed.flatMap(({ file, module }) => rulesOfModule(file, module));
  }

  /** What OPA says, with everything asked that could be: neither an index nor an early end hides a rule. */
  async #evaluate(query: string, input: JsonObject, run: Run): Promise<{ value: Evaluated; coverage: Coverage }> {
    const whole = ['--coverage', '--coverage-runs', '', '--disable-indexing', '--disable-early-exit'];
    const bounds = ['--capabilities', capabilitiesFile];
    const args = ['eval', '-b', '.', '--stdin-input', '-f', 'json', ...whole, ...bounds];
    const stdin = JSON.stringify(input);
    const { code, stdout, stderr } = await runOpa({
      ...run,
      clock: this.#options.clock,
      args: [...args, query],
      stdin,
    });
    const said = parsed(stdout);
    if (said === undefined) throw new BundleError(`OPA failed: ${(stderr || stdout).trim() || `exit ${code}`}`);
    const coverage = said.coverage ?? {};
    if (code !== 0) {
      const errors = said.errors ?? [];
      const message = errors.map((error) => error.message).join('; ');
      // A policy that fails while it decides has decided; one that does not even load has not.
      const decided = errors.length > 0 && errors.every((error) => error.code?.startsWith('eval_') === true);
      if (!decided) throw new BundleError(`OPA failed: ${message || stderr.trim()}`);
      return { value: { failed: message }, coverage };
    }
    return { value: { decision: said.result?.[0]?.expressions[0]?.value }, coverage };
  }

  #decided(phase: Phase, value: Evaluated): Decided {
    const refused = (code: string, message: string): Decided => ({
      ...{ allow: false, reasons: [{ code, message }], obligations: {} },
    });
    if ('failed' in value) return refused('policy_error', value.failed.slice(0, failureCharsMax));
    const judged = this.#check.decision(phase, value.decision);
    if (!('ruling' in judged)) return refused(judged.code, judged.message);
    const { allow, reasons, obligations = {} } = judged.ruling;
    return { allow, reasons, obligations };
  }
}

interface Run {
  readonly opa: string;
  readonly cwd: string;
  readonly signal: AbortSignal;
}

type Evaluated = { readonly decision: unknown } | { readonly failed: string };

interface EvalOutput {
  readonly result?: readonly { readonly expressions: readonly { readonly value: unknown }[] }[];
  readonly coverage?: Coverage;
  readonly errors?: readonly { readonly message?: string; readonly code?: string }[];
}

function parsed(stdout: string): EvalOutput | undefined {
  try {
    return JSON.parse(stdout) as EvalOutput;
  } catch {
    return undefined;
  }
}

/** Codes under which the gate itself says that a policy failed; its words for it are its own. */
const failureCodes: ReadonlySet<string> = new Set(['policy_error', 'policy_undefined']);

function agree(left: Decided, right: Decided): boolean {
  const [code = '', other] = [left.reasons[0]?.code, right.reasons[0]?.code];
  if (failureCodes.has(code)) return code === other && !right.allow;
  const plain = ({ allow, reasons, obligations }: Decided) =>
    JSON.parse(JSON.stringify({ allow, reasons, obligations })) as unknown;
  return isDeepStrictEqual(plain(left), plain(right));
}

/**
 * The sources as a bundle without roots and without a compiled module, which OPA would ask in place of the rules. Of
 * its manifest only the version of the language stays.
 */
async function writeForOpa(folder: string, files: readonly SourceFile[]): Promise<void> {
  let versions: Record<string, unknown> = {};
  for (const { path, content } of files) {
    if (path === '.manifest') {
      versions = versionsIn(content);
      continue;
    }
    if (!/(?:^|\/)(?:data\.(?:json|yaml)|[^/]+\.rego)$/.test(path) || path.split('/').includes('..')) continue;
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  await writeFile(join(folder, '.manifest'), JSON.stringify({ ...versions, roots: [''] }));
}

function versionsIn(content: Buffer): Record<string, unknown> {
  const manifest = parsed(content.toString('utf8')) as Record<string, unknown> | undefined;
  const { rego_version: all, file_rego_versions: each } = manifest ?? {};
  return {
    ...(all === undefined ? {} : { rego_version: all }),
    ...(each === undefined ? {} : { file_rego_versions: each }),
  };
}
