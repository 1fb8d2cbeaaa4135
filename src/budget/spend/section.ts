/** `budget.spend` and `budget.alerts` of tollgate.yaml: what is kept of spending, and when somebody is told. */
import Type from 'typebox';
import { child } from '../../wire/pointer.ts';

export const spendSection = Type.Object(
  {
    keep_days: Type.Integer({
      default: 400,
      minimum: 1,
      maximum: 1_200,
      description: 'For how many days `GET /budgets` can look back. In the memory store it is fewer: see `series`.',
    }),
    series: Type.Integer({
      default: 2_048,
      minimum: 16,
      maximum: 20_000,
      description:
        'How many pairs of agent and route one gateway counts apart in a day; beyond it agents are counted together. The memory store keeps 60,000 of them over all days.',
    }),
  },
  { default: {}, additionalProperties: false, description: 'What is kept of spending, for whoever looks back.' },
);

const webhook = Type.Object(
  {
    url: Type.String({
      minLength: 1,
      maxLength: 4096,
      description: 'The whole address that alerts go to by POST, as JSON; https, or on loopback http.',
    }),
    token: Type.Optional(
      Type.String({
        pattern: '^[\\x21-\\x7e]{1,8192}$',
        writeOnly: true,
        description: 'Goes along as a bearer token; put it in by `env:` or `file:`.',
      }),
    ),
    timeout_seconds: Type.Integer({
      default: 10,
      minimum: 1,
      maximum: 300,
      description: 'The longest one try may take.',
    }),
  },
  { additionalProperties: false, description: 'Where alerts are sent to besides the trail, the log and the metrics.' },
);

export const alertsSection = Type.Object(
  {
    at: Type.Array(Type.Integer({ minimum: 1, maximum: 100 }), {
      default: [50, 80, 100],
      maxItems: 8,
      uniqueItems: true,
      description: 'At how many percent of a budget somebody is told; empty for never.',
    }),
    webhook: Type.Optional(webhook),
  },
  { default: {}, additionalProperties: false, description: 'Who is told that a budget runs out.' },
);

export type SpendConfig = Type.Static<typeof spendSection>;
export type AlertsConfig = Type.Static<typeof alertsSection>;
export type WebhookConfig = Type.Static<typeof webhook>;

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** What the schema cannot say. Pointers are into tollgate.yaml. */
export function checkAlerts({ webhook: hook }: AlertsConfig): { pointer: string; message: string }[] {
  if (hook === undefined) return [];
  const message = urlFault(hook.url);
  return message === undefined ? [] : [{ pointer: child('/budget/alerts/webhook', 'url'), message }];
}

function urlFault(address: string): string | undefined {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) return 'expected an https URL';
  if (url.username !== '' || url.password !== '')
    return 'a URL holds no user or password: use budget.alerts.webhook.token';
  if (url.hash !== '') return 'expected a URL without a fragment';
  if (url.protocol === 'http:' && !loopback.test(url.hostname)) return 'expected https: (http only on loopback)';
  return undefined;
}
