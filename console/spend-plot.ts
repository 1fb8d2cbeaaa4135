/**
 * The plot: a stacked bar for each day, drawn to the width there is, so that its text stays readable. Whoever does not
 * see it has the same in the table below.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.ts';
import { amountText, axisText, type Drawn, type Measure, ticks } from './spend.ts';

interface Props {
  readonly drawn: Drawn;
  readonly measure: Measure;
  /** What the plot shows, in a sentence. */
  readonly title: string;
}

const height = 280;
const margin = { top: 12, right: 8, bottom: 34, left: 64 };
/** How wide the name of a day is, with room to both sides. */
const dayTextWidth = 52;
const minWidth = 260;

export function SpendPlot({ drawn, measure, title }: Props) {
  const [width, setWidth] = useState(720);
  const [pointed, setPointed] = useState<number | null>(null);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setWidth(Math.max(minWidth, Math.floor(entry.contentRect.width)));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const { days, groups, values } = drawn;
  const sums = values.map((bars) => bars.reduce((total, value) => total + value, 0));
  const steps = ticks(Math.max(0, ...sums), measure !== 'cost');
  const most = steps.at(-1) ?? 1;
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const slot = inner.width / Math.max(1, days.length);
  const gap = slot > 6 ? Math.min(6, slot * 0.2) : 0.5;
  const yOf = (value: number) => margin.top + inner.height * (1 - value / most);
  const every = Math.max(1, Math.ceil(dayTextWidth / slot));
  const ofGroup = (group: number): number =>
    pointed === null ? values.reduce((total, bars) => total + (bars[group] ?? 0), 0) : (values[pointed]?.[group] ?? 0);
  const ofAll = pointed === null ? sums.reduce((total, sum) => total + sum, 0) : (sums[pointed] ?? 0);

  return html`
    <figure class="plot">
      <div ref=${place}>
        <svg
          role="img" aria-label=${`${title}. The table below has its data.`} width=${width} height=${height}
          viewBox=${`0 0 ${width} ${height}`} onMouseLeave=${() => setPointed(null)}
        >
          ${steps.map(
            (step) => html`
              <g key=${step}>
                <line class="rule" x1=${margin.left} x2=${width - margin.right} y1=${yOf(step)} y2=${yOf(step)} />
                <text class="axis" x=${margin.left - 6} y=${yOf(step) + 4} text-anchor="end">${axisText(step, measure)}</text>
              </g>
            `,
          )}
          ${days.map((day, index) => {
            const x = margin.left + index * slot;
            let top = 0;
            return html`
              <g key=${day} onMouseEnter=${() => setPointed(index)}>
                <rect
                  class=${`slot${index === pointed ? ' pointed' : ''}`} x=${x} y=${margin.top} width=${slot} height=${inner.height}
                />
                ${groups.map(({ name }, group) => {
                  const value = values[index]?.[group] ?? 0;
                  if (value <= 0) return null;
                  top += value;
                  const tall = (inner.height * value) / most;
                  return html`
                    <rect
                      key=${name} class=${`bar series-${group}`} x=${x + gap / 2} y=${yOf(top)}
                      width=${Math.max(0.5, slot - gap)} height=${tall}
                    ><title>${`${day}, ${name}: ${amountText(value, measure)}`}</title></rect>
                  `;
                })}
                ${
                  (days.length - 1 - index) % every === 0 &&
                  html`<text class="axis" x=${x + slot / 2} y=${height - margin.bottom + 18} text-anchor="middle">${day.slice(5)}</text>`
                }
              </g>
            `;
          })}
          <line class="base" x1=${margin.left} x2=${width - margin.right} y1=${yOf(0)} y2=${yOf(0)} />
        </svg>
      </div>
      <figcaption>
        <p class="hint day">
          ${pointed === null ? 'All days' : `${days[pointed]} (UTC)`}: <strong>${amountText(ofAll, measure)}</strong>
        </p>
        <ul class="legend">
          ${groups.map(
            ({ name }, group) => html`
              <li key=${name}>
                <svg class="key" width="12" height="12" aria-hidden="true"><rect class=${`bar series-${group}`} width="12" height="12" rx="2" /></svg>
                <span>${name}</span>
                <span class="amount">${amountText(ofGroup(group), measure)}</span>
              </li>
            `,
          )}
        </ul>
      </figcaption>
    </figure>
  `;
}
