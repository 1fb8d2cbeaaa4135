/** What limits are called, in reasons, headers and metrics: who and where, in one order whatever the file says. */

const order = ['agent', 'tenant', 'route'] as const;

/** What may be counted together. */
export type RateSubject = (typeof order)[number];

/** `agent_route` for a limit by agent and route. */
export function wordOf(by: readonly RateSubject[]): string {
  return inOrder(by).join('_');
}

export function inOrder(by: readonly RateSubject[]): readonly RateSubject[] {
  return order.filter((subject) => by.includes(subject));
}

/** `2,000 tokens a minute`, for people. */
export function amountText(amount: number, unit: string, per: string): string {
  return `${amount.toLocaleString('en-US')} ${unit} a ${per}`;
}
