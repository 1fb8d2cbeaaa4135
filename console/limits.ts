/** How much of a limit is spent and held, as a bar with marks where alerts are told, and as numbers. */
import { html } from './html.ts';
import { moneyText, type Standing } from './spend.ts';

const marks = [50, 80, 100];
const words: Readonly<Record<string, string>> = {
  cost_usd: 'cost',
  tokens: 'tokens',
  calls: 'calls',
  seconds: 'seconds',
};

export function Limits({ limits }: { readonly limits: readonly Standing[] }) {
  if (limits.length === 0) return html`<p class="hint">No agent and no tenant has a limit in the configuration.</p>`;
  return html`
    <ul class="limits">
      ${limits.map(
        (one) => html`
          <li key=${`${one.level} ${one.tenant} ${one.issuer} ${one.name} ${one.per}`}>
            <h3>${one.level} ${one.issuer === null ? one.name : `${one.issuer}/${one.name}`}</h3>
            <p class="hint">
              per ${one.per}, until <time datetime=${one.window_ends}>${timeText(one.window_ends)}</time>
              ${one.level === 'agent' && (one.tenant === null ? ', not used yet' : `, tenant ${one.tenant}`)}
            </p>
            ${Object.keys(one.limit).map(
              (dimension) => html`
                <${LimitBar}
                  key=${dimension} name=${words[dimension] ?? dimension} money=${dimension === 'cost_usd'}
                  limit=${one.limit[dimension] ?? 0} spent=${one.spent[dimension] ?? 0}
                  reserved=${one.reserved[dimension] ?? 0}
                />
              `,
            )}
          </li>
        `,
      )}
    </ul>
  `;
}

interface BarProps {
  readonly name: string;
  readonly money: boolean;
  readonly limit: number;
  readonly spent: number;
  readonly reserved: number;
}

/** One bar of 100 percent and a little more: what is spent, then what is held. */
export function LimitBar({ name, money, limit, spent, reserved }: BarProps) {
  const text = (amount: number) => (money ? moneyText(amount) : amount.toLocaleString('en'));
  const percent = limit > 0 ? (100 * spent) / limit : 100;
  const held = limit > 0 ? (100 * reserved) / limit : 0;
  const state = percent >= 100 ? 'full' : percent >= 80 ? 'high' : percent >= 50 ? 'half' : 'low';
  const said = `${Math.floor(percent)} % of ${text(limit)}`;
  return html`
    <div class="limit">
      <span class="name">${name}</span>
      <svg
        class=${`gauge ${state}`} viewBox="0 0 100 10" preserveAspectRatio="none" role="meter"
        aria-label=${name} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.min(100, Math.floor(percent))}
        aria-valuetext=${said}
      >
        <rect class="track" width="100" height="10" />
        <rect class="spent" width=${Math.min(100, percent)} height="10" />
        <rect class="held" x=${Math.min(100, percent)} width=${Math.max(0, Math.min(held, 100 - percent))} height="10" />
        ${marks.map((mark) => html`<line key=${mark} class="mark" x1=${mark} x2=${mark} y1="0" y2="10" />`)}
      </svg>
      <span class=${`amounts ${state}`}>
        ${said}: ${text(spent)} spent${reserved > 0 && `, ${text(reserved)} held`}, ${text(Math.max(0, limit - spent - reserved))} left
      </span>
    </div>
  `;
}

/** `2026-11-21T12:00:00.000Z` as people read it. */
export function timeText(time: string): string {
  return time.replace('T', ' ').replace(/(?::00)?(?:\.\d+)?Z$/, ' UTC');
}
