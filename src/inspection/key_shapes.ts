/**
 * How vendors mark their keys: a prefix that ends in a separator (found from that separator, so it may be glued to
 * what stands before it) or a bare one (found only where a token starts). Lengths are those the vendors issue today,
 * taken a little wider: a key that is a few characters longer tomorrow must still be seen.
 */
import { alphanumerics, charset, digits, lowerLetters } from './characters.ts';

export interface KeyShape {
  readonly prefix: string;
  readonly body: Uint8Array;
  /** Characters after the prefix. A longer run than `max` is no such key. */
  readonly min: number;
  readonly max: number;
  /** Whether a letter or digit may stand before the prefix: not where words end like it (`task-`, `disk-`). */
  readonly glued: boolean;
  /** Whether other things begin like it too, so that the rest must hold a digit. */
  readonly common: boolean;
}

export const word: Uint8Array = charset(`${alphanumerics}_-`);
const plain = charset(alphanumerics);
const hex = charset(`${digits}abcdef`);
export const capitals: Uint8Array = charset('ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789');
const dotted = charset(`${alphanumerics}_.-`);
const slashed = charset(`${alphanumerics}/_-`);
const base64 = charset(`${alphanumerics}+/=_-`);
const small = charset(digits + lowerLetters);

const bodyMax = 256;
const commonPrefixes: ReadonlySet<string> = new Set(['sk-', 'key-', 'secret_', 'rnd_', 'fly_', 'SK']);

function shapes(prefixes: string, body: Uint8Array, min: number, max = bodyMax, glued = true): readonly KeyShape[] {
  return prefixes.split(' ').map((prefix) => ({ prefix, body, min, max, glued, common: commonPrefixes.has(prefix) }));
}

export const keyShapes: readonly KeyShape[] = [
  // Anthropic, OpenAI and the many who copied its `sk-`
  ...shapes('sk-ant- sk-proj- sk-svcacct- sk-admin- sk-or-v1- sk-lf-', word, 20, bodyMax, false),
  ...shapes('sk-', plain, 20, bodyMax, false),
  ...shapes('AKIA ASIA ABIA ACCA', capitals, 16, 16), // AWS access key ids
  ...shapes('ghp_ gho_ ghu_ ghs_ ghr_', dotted, 36), // GitHub
  ...shapes('github_pat_', word, 36),
  ...shapes('glpat- glptt- gldt- glrt- glcbt- gloas- glft- glsoat- glagent- glimt- glffct-', dotted, 20), // GitLab
  ...shapes('xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxe- xoxe.xoxp- xoxe.xoxb- xapp- xwfp-', word, 20), // Slack
  ...shapes('hooks.slack.com/services/ hooks.slack.com/workflows/ hooks.slack.com/triggers/', slashed, 30),
  ...shapes('AIza', word, 35, 35), // Google
  ...shapes('ya29.', word, 20, 1024, false),
  ...shapes('GOCSPX-', word, 24),
  ...shapes('sk_live_ sk_test_ rk_live_ rk_test_ sk_prod_ rk_prod_', plain, 16), // Stripe
  ...shapes('whsec_', base64, 24),
  ...shapes('npm_', plain, 36), // registries
  ...shapes('pypi-AgEI pypi-AgEN', word, 40),
  ...shapes('rubygems_', hex, 48),
  ...shapes('dckr_pat_ dckr_oat_', word, 24),
  ...shapes('SK', hex, 32, 32), // Twilio
  ...shapes('SG.', dotted, 40), // SendGrid
  ...shapes('key-', hex, 32, 32, false), // Mailgun
  ...shapes('xkeysib-', word, 64), // Brevo
  ...shapes('dop_v1_ doo_v1_ dor_v1_', hex, 64), // DigitalOcean
  ...shapes('dapi', hex, 32, 34), // Databricks
  ...shapes('hf_ api_org_', plain, 34, bodyMax, false), // Hugging Face
  ...shapes('gsk_', plain, 40, bodyMax, false), // Groq
  ...shapes('xai-', plain, 40, bodyMax, false),
  ...shapes('pplx-', plain, 40), // Perplexity
  ...shapes('nvapi-', word, 50), // NVIDIA
  ...shapes('r8_', plain, 37, bodyMax, false), // Replicate
  ...shapes('pcsk_', word, 40), // Pinecone
  ...shapes('tvly-', word, 28), // Tavily
  ...shapes('lsv2_pt_ lsv2_sk_', word, 32), // LangSmith
  ...shapes('shpat_ shpss_ shpca_ shppa_', hex, 32), // Shopify
  ...shapes('sq0atp- sq0csp- sq0idp-', word, 22), // Square
  ...shapes('hvs. hvb. hvr.', word, 24, 1024), // HashiCorp Vault
  ...shapes('atlasv1.', word, 60), // HashiCorp Terraform (`….atlasv1.…`)
  ...shapes('glsa_ glc_', base64, 32), // Grafana
  ...shapes('lin_api_', plain, 32), // Linear
  ...shapes('ntn_', plain, 40), // Notion
  ...shapes('secret_', plain, 43, 43, false),
  ...shapes('ATATT3', base64, 80, 512), // Atlassian
  ...shapes('figd_', word, 36), // Figma
  ...shapes('PMAK-', word, 50), // Postman
  ...shapes('NRAK- NRII-', plain, 27), // New Relic
  ...shapes('sntrys_ sntryu_', base64, 40, 1024), // Sentry
  ...shapes('sbp_', hex, 40), // Supabase
  ...shapes('sb_secret_', word, 22),
  ...shapes('nfp_', plain, 36), // Netlify
  ...shapes('pscale_tkn_ pscale_pw_ pscale_oauth_', dotted, 32), // PlanetScale
  ...shapes('dp.pt. dp.st. dp.sa. dp.ct.', dotted, 40), // Doppler
  ...shapes('sgp_', charset(`${digits}abcdef_`), 40), // Sourcegraph
  ...shapes('LTAI', plain, 16, 24), // Alibaba Cloud
  ...shapes('AGE-SECRET-KEY-1', capitals, 58),
  ...shapes('ops_eyJ', base64, 100, 2048), // 1Password
  ...shapes('HRKU-', word, 36), // Heroku
  ...shapes('rnd_ fly_', small, 32, bodyMax, false), // Render, Fly
];

/** Endings of the names of fields that hold a key, in small letters, with everything but letters taken out. */
export const keyNames: readonly string[] = [
  'secretaccesskey',
  'secretkey',
  'apikey',
  'apitoken',
  'apisecret',
  'accountkey',
  'sharedaccesskey',
  'storagekey',
  'subscriptionkey',
  'clientsecret',
  'consumersecret',
  'signingsecret',
  'webhooksecret',
  'authtoken',
  'accesstoken',
  'privatetoken',
  'bottoken',
  'servicekey',
  'xfunctionskey',
];
