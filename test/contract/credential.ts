/**
 * What every credential that comes from a token service must do: `credentialContract(name, make)` registers the suite
 * for one kind, against a cloud on loopback that checks each request as the real one would. Calls go the way of the
 * gate, through an attempt at a target; time is the test's own.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Ajv } from 'ajv';
import type { Admitted, OutboundRequest, Target } from '../../src/call.ts';
import { deny } from '../../src/denial.ts';
import { allowedHost, Dialer } from '../../src/upstream/dialer.ts';
import {
  Credentials,
  type CredentialsConfig,
  checkCredentials,
  credentialHosts,
  credentialsSection,
  type TlsIdentity,
} from '../../src/upstream/section.ts';
import { type AttemptResult, Upstream } from '../../src/upstream/send.ts';
import { ManualClock } from '../fakes/clock.ts';
import { type CloudRules, FakeCloud, type Trouble } from '../fakes/clouds/cloud.ts';
import { FakeGate } from '../fakes/clouds/federation.ts';

const valid = new Ajv({
  ...{ allErrors: true, useDefaults: true, strict: false, discriminator: true },
}).compile<CredentialsConfig>(credentialsSection);

export const agentToken = 'eyJ.the-agents-own.token';

export interface CallOptions {
  readonly task?: string;
  readonly subject?: string | null;
  /** Who vouches for the subject; asserted by the agent where it is left out. */
  readonly subjectIssuer?: string;
  readonly purpose?: string;
  readonly outbound?: Partial<OutboundRequest>;
}

/** A call as far as an attempt reads it. */
export function callFor({
  task = 'task_1',
  subject = 'C-1',
  subjectIssuer,
  purpose = 'a refund',
  outbound,
}: CallOptions = {}): Admitted {
  const body = Buffer.from('{"amount": 7, "note": "café"}');
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${agentToken}` };
  const request = { method: 'POST', path: "/v1/it's%20a:b/~x?z=1&a=%2Fb&a=B&empty=", headers, body, ...outbound };
  const vouched =
    subjectIssuer === undefined ? { assurance: 'asserted' } : { issuer: subjectIssuer, assurance: 'verified' };
  const whose = { id: subject, type: 'customer', claims: {}, ...vouched };
  return {
    id: 'call_1',
    requestId: 'req-1',
    trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: null, sampled: true, state: null },
    credential: agentToken,
    abort: new AbortController(),
    resolved: { payload: { args: {}, encode: () => request } },
    task: {
      record: {
        ...{ id: task, purpose, subject: subject === null ? null : whose },
        agent: { id: 'spiffe://acme.example/refunds', issuer: 'acme-spiffe' },
      },
    },
  } as unknown as Admitted;
}

/** A gate's way out with one credential, towards one target. */
export class CredentialBench implements AsyncDisposable {
  readonly credentials: Credentials;
  readonly upstream: Upstream;
  /** Everything that is told anywhere: logs, denials, attempts. */
  readonly told: string[] = [];
  readonly #target: Target;
  readonly #dialers: readonly Dialer[];

  constructor(options: {
    /** As in tollgate.yaml. */
    readonly config: object;
    readonly targetUrl: string;
    readonly clock: ManualClock;
    readonly gate: FakeGate;
    readonly identities?: Readonly<Record<string, TlsIdentity>>;
  }) {
    const { config, targetUrl, clock, gate, identities = {} } = options;
    const section: unknown = { it: structuredClone(config) };
    assert.ok(valid(section), JSON.stringify(valid.errors));
    assert.deepEqual(checkCredentials(section), []);
    const tokenDialer = new Dialer({ clock, allow: credentialHosts(section) });
    const dialer = new Dialer({ clock, allow: [allowedHost(targetUrl)] });
    const assertions = gate.assertions(clock);
    this.#dialers = [tokenDialer, dialer];
    this.credentials = new Credentials(section, {
      ...{ clock, identities },
      assertion: (request) => assertions.mint(request),
      send: (request) => tokenDialer.send(request),
    });
    this.upstream = new Upstream({
      ...{ dialer, clock, credentials: this.credentials, txnToken: () => null },
      credentialFailed: (_target, error) =>
        this.told.push(`${error.stack} ${JSON.stringify(error)} ${error.failure} ${error.code} ${String(error.cause)}`),
    });
    const timeoutMs = { connect: 5_000, firstByte: 30_000, total: 60_000 };
    this.#target = {
      name: 'cloud',
      route: 'r',
      url: targetUrl,
      credential: 'it',
      txnToken: false,
      timeoutMs,
    } as Target;
  }

  async attempt(call: Admitted = callFor()): Promise<AttemptResult> {
    const result = await this.upstream.attempt(call, this.#target);
    const { answer: _answer, ...rest } = { answer: undefined, ...result };
    this.told.push(JSON.stringify(rest));
    if ('answer' in result) for await (const _chunk of result.answer.body);
    return result;
  }

  /** The status the agent would see, or the code of the denial. */
  async outcome(call: Admitted = callFor()): Promise<number | string> {
    const result = await this.attempt(call);
    return 'answer' in result ? result.answer.head.status : result.denial.code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.credentials[Symbol.dispose]();
    await Promise.all(this.#dialers.map((dialer) => dialer[Symbol.asyncDispose]()));
  }
}

export interface KindUnderTest {
  /** For one address of the token service. */
  readonly config: (tokensUrl: string) => object;
  readonly rules: (gate: FakeGate, tokensUrl: () => string) => CloudRules;
  /** Requests to the token service for one token. */
  readonly requests?: number;
  /** Secrets of the configuration. */
  readonly secrets?: readonly string[];
  /** Whether each task has a token of its own. */
  readonly perTask?: boolean;
}

export function credentialContract(name: string, kind: KindUnderTest): void {
  const { requests = 1, secrets = [], perTask = false } = kind;
  const gate = new FakeGate();

  interface Ground {
    readonly cloud: FakeCloud;
    readonly bench: CredentialBench;
    readonly clock: ManualClock;
  }
  const it = (sentence: string, body: (ground: Ground) => Promise<void>): void => {
    test(sentence, { timeout: 30_000 }, async () => {
      const clock = new ManualClock();
      let tokensUrl = '';
      await using cloud = await FakeCloud.open(
        clock,
        kind.rules(gate, () => tokensUrl),
      );
      tokensUrl = cloud.tokens.url;
      const config = kind.config(tokensUrl);
      await using bench = new CredentialBench({ config, targetUrl: cloud.target.url, clock, gate });
      await body({ cloud, bench, clock });
      // Whatever happened: no key, token or assertion is told anywhere.
      const hidden = [...secrets, ...cloud.secrets, ...gate.made];
      for (const line of bench.told) for (const secret of hidden) assert.equal(line.includes(secret), false, line);
    });
  };
  const asked = (cloud: FakeCloud) => cloud.asked / requests;

  describe(`a credential of kind ${name}`, () => {
    it('is what the target takes, and never the token of the agent [upstream.agent-token-never-forwarded]', async (ground) => {
      const { cloud, bench } = ground;
      assert.equal(await bench.outcome(), 200, cloud.faults.join('\n'));
      assert.equal(await bench.outcome(callFor({ outbound: { method: 'GET', body: null, path: '/' } })), 200);
      assert.deepEqual(cloud.faults, []);
      for (const { headers, body } of [...cloud.tokens.received, ...cloud.target.received]) {
        assert.equal(`${JSON.stringify(headers)}${body.toString()}`.includes(agentToken), false);
      }
      // The target gets the credential, and nothing of how it was got.
      for (const { headers } of cloud.target.received) {
        for (const secret of [...secrets, ...gate.made]) assert.equal(JSON.stringify(headers).includes(secret), false);
      }
    });

    it('is asked for once for many calls, also if fifty wait for it', async ({ cloud, bench }) => {
      const outcomes = await Promise.all(Array.from({ length: 50 }, () => bench.outcome()));
      assert.deepEqual(new Set(outcomes), new Set([200]));
      assert.equal(await bench.outcome(), 200);
      assert.equal(asked(cloud), 1);
    });

    it('still comes for those who wait when the call that asked for it is given up', async ({ cloud, bench }) => {
      const opened = Promise.withResolvers<void>();
      cloud.gate = opened.promise;
      const given = callFor();
      const first = bench.outcome(given);
      const second = bench.outcome();
      await settled(() => cloud.asked === 1);
      given.abort.abort(deny('task_killed', 'the task was killed'));
      assert.equal(await first, 'task_killed');
      opened.resolve();
      assert.equal(await second, 200);
      assert.equal(asked(cloud), 1);
    });

    it('is renewed in the background before it expires, while calls go on with the old one', async ({
      cloud,
      bench,
      clock,
    }) => {
      assert.equal(await bench.outcome(), 200);
      await clock.advance(790_000);
      assert.equal(await bench.outcome(), 200);
      assert.equal(asked(cloud), 1);
      const opened = Promise.withResolvers<void>();
      cloud.gate = opened.promise;
      await clock.advance(20_000);
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => bench.outcome()));
      assert.deepEqual(new Set(outcomes), new Set([200]));
      opened.resolve();
      await settled(() => asked(cloud) === 2 && cloud.issued === 2);
      await settled(async () => {
        cloud.revokedUpTo = 1;
        return (await bench.outcome()) === 200;
      });
      assert.equal(asked(cloud), 2);
    });

    it('is not shown once it has expired', async ({ cloud, bench, clock }) => {
      assert.equal(await bench.outcome(), 200);
      cloud.revokedUpTo = 1;
      await clock.advance(1_000_000);
      assert.equal(await bench.outcome(), 200);
      assert.deepEqual(cloud.faults, []);
      assert.equal(asked(cloud), 2);
    });

    it('that cannot be got keeps the call from being sent, and its service from being asked again at once [upstream.no-credential-no-call] [upstream.credentials-untold]', async (ground) => {
      const { cloud, bench, clock } = ground;
      for (const trouble of ['refuses', 'unwell', 'nonsense', 'redirects', 'huge'] satisfies Trouble[]) {
        cloud.trouble = trouble;
        const before = cloud.asked;
        const result = await bench.attempt();
        assert.ok('denial' in result, trouble);
        assert.equal(result.denial.code, 'upstream_unavailable');
        assert.match(result.denial.message, /target cloud/);
        assert.deepEqual(
          result.denial.reasons.map(({ code }) => code),
          ['credential'],
        );
        assert.deepEqual([result.failed.error, result.failed.sent], ['credential', false]);
        for (let call = 0; call < 5; call++) assert.equal(await bench.outcome(), 'upstream_unavailable');
        assert.equal(cloud.asked, before + 1, `${trouble}: asked once, whoever called`);
        await clock.advance(31_000);
      }
      assert.equal(cloud.target.received.length, 0, 'nothing was sent');
      cloud.trouble = null;
      assert.equal(await bench.outcome(), 200);
    });

    it('is waited for only so long', async ({ cloud, bench, clock }) => {
      cloud.trouble = 'silent';
      const waiting = bench.outcome();
      await settled(() => cloud.asked === 1);
      await clock.advance(10_000);
      assert.equal(await waiting, 'upstream_unavailable');
      assert.equal(cloud.target.received.length, 0);
    });

    it('goes on being shown while its service is away', async ({ cloud, bench, clock }) => {
      assert.equal(await bench.outcome(), 200);
      cloud.trouble = 'unwell';
      await clock.advance(850_000);
      for (let call = 0; call < 5; call++) assert.equal(await bench.outcome(), 200);
      await settled(() => cloud.asked === requests + 1);
      await clock.advance(149_000);
      assert.equal(await bench.outcome(), 'upstream_unavailable');
      assert.equal(cloud.target.received.length, 6);
    });

    it('that its target does not take is got anew for the next call, but not for each refusal', async ({
      cloud,
      bench,
      clock,
    }) => {
      assert.equal(await bench.outcome(), 200);
      cloud.revokedUpTo = 1;
      assert.equal(await bench.outcome(), 401);
      assert.equal(await bench.outcome(), 200);
      assert.equal(asked(cloud), 2);
      cloud.revokedUpTo = 1_000;
      for (let call = 0; call < 10; call++) assert.equal(await bench.outcome(), 401);
      assert.equal(asked(cloud), 2, 'a target that takes nothing causes no flood');
      await clock.advance(30_000);
      assert.equal(await bench.outcome(), 401);
      assert.equal(await bench.outcome(), 401);
      assert.equal(asked(cloud), 3);
    });

    it(`is ${perTask ? "a task's own" : 'the same for every task'}`, async ({ cloud, bench }) => {
      for (const task of ['task_1', 'task_2', 'task_1']) assert.equal(await bench.outcome(callFor({ task })), 200);
      assert.equal(asked(cloud), perTask ? 2 : 1);
      const shown = cloud.target.received.map(
        ({ headers }) => headers['x-amz-security-token'] ?? headers.authorization ?? '',
      );
      assert.equal(new Set(shown).size, perTask ? 2 : 1);
      assert.equal(shown[0], shown[2]);
    });

    it('is forgotten with its configuration, also while it is asked for', async ({ cloud, bench }) => {
      cloud.trouble = 'silent';
      const waiting = bench.outcome();
      await settled(() => cloud.asked === 1);
      bench.credentials[Symbol.dispose]();
      assert.equal(await waiting, 'upstream_unavailable');
    });
  });
}

/** Resolves once the condition holds; fails after two seconds of real time. */
export async function settled(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 2_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, 'not so within two seconds');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
