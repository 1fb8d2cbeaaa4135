/** `policy.decision_logs` and `policy.status` of tollgate.yaml: where OPA's own reports go, and how often. */
import Type from 'typebox';
import { isCertificate, urlFault } from '../served-url.ts';

const secondsIn = (description: string, standard: number, maximum: number) =>
  Type.Integer({ minimum: 1, maximum, default: standard, description });

const place = (what: string) => ({
  url: Type.String({
    minLength: 1,
    maxLength: 4096,
    description: `The whole address that ${what} by POST, such as https://logs.example.com/logs; https or on loopback http.`,
  }),
  token: Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,8192}$',
      writeOnly: true,
      description: 'Goes along as a bearer token; put it in by `env:` or `file:`.',
    }),
  ),
  ca: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 262_144,
      description: 'Certificates in PEM that the server is trusted by besides the usual ones, best put in by `file:`.',
    }),
  ),
});

export const decisionLogsSection = Type.Object(
  {
    ...place('decisions are sent to'),
    min_delay_seconds: secondsIn('The shortest time between two uploads.', 5, 3_600),
    max_delay_seconds: secondsIn('The longest time between two uploads, also while the server is away.', 10, 3_600),
    upload_bytes: Type.Integer({
      minimum: 1_024,
      maximum: 4_194_304,
      default: 32_768,
      description: 'The most one upload holds, compressed. An event that is larger alone goes without its input.',
    }),
    buffer_bytes: Type.Integer({
      minimum: 65_536,
      maximum: 268_435_456,
      default: 8_388_608,
      description:
        'The most that waits in memory, uncompressed. Beyond it the oldest decisions are dropped and counted.',
    }),
    timeout_seconds: secondsIn('The longest one upload may take.', 10, 300),
  },
  {
    additionalProperties: false,
    description: 'Decisions in the format of OPA’s decision logs, personal data taken out; left out: sent nowhere.',
  },
);

export const statusSection = Type.Object(
  {
    ...place('the status is sent to'),
    interval_seconds: secondsIn('How often the status is sent where nothing changes.', 60, 86_400),
    timeout_seconds: secondsIn('The longest one report may take.', 10, 300),
  },
  {
    additionalProperties: false,
    description: 'What bundles decide here, in the format of OPA’s status API; left out: sent nowhere.',
  },
);

export type DecisionLogsConfig = Type.Static<typeof decisionLogsSection>;
export type StatusConfig = Type.Static<typeof statusSection>;

export interface ReportsConfig {
  readonly decision_logs?: DecisionLogsConfig;
  readonly status?: StatusConfig;
}

/** What a schema cannot say of the two. Pointers are from the policy section. */
export function checkReports(config: ReportsConfig): { readonly pointer: string; readonly message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  for (const name of ['decision_logs', 'status'] as const) {
    const settings = config[name];
    if (settings === undefined) continue;
    const wrong = urlFault(settings.url, 'an https URL', `policy.${name}.token`);
    if (wrong !== undefined) faults.push({ pointer: `/${name}/url`, message: wrong });
    if (settings.ca !== undefined && !isCertificate(settings.ca)) {
      faults.push({ pointer: `/${name}/ca`, message: 'expected certificates in PEM' });
    }
  }
  const logs = config.decision_logs;
  if (logs !== undefined && logs.min_delay_seconds > logs.max_delay_seconds) {
    faults.push({ pointer: '/decision_logs/min_delay_seconds', message: 'expected no more than max_delay_seconds' });
  }
  return faults;
}
