/**
 * The legal department's risk service "on-prem". It weighs a late return against what the customer is worth; it only
 * gives its opinion, so the routing table calls its POST a read. The agent that asks it for others is `risk-agent.ts`.
 */
import { Service, ServiceRefusal } from './service.ts';

const lateDaysMax = 60;

export function riskService(key: string): Service {
  return new Service('risk', key, [
    {
      operation: 'risk.assess_return',
      method: 'POST',
      path: '/assessments',
      answer: ({ body }) => {
        const { amount_cents: amount, lifetime_value_cents: lifetimeValue, days_late: daysLate } = body;
        if (typeof amount !== 'number' || typeof lifetimeValue !== 'number' || typeof daysLate !== 'number') {
          throw new ServiceRefusal(400, 'body', 'amount_cents, lifetime_value_cents and days_late are numbers');
        }
        const share = amount / Math.max(1, lifetimeValue);
        const risk = daysLate > lateDaysMax || share > 0.5 ? 'high' : share > 0.1 ? 'medium' : 'low';
        const notes = [
          `The amount is ${(share * 100).toFixed(1)} % of what the customer has been worth.`,
          `The return is ${daysLate} days late; a goodwill refund creates no precedent below ${lateDaysMax} days.`,
        ];
        return { status: 200, body: { risk, notes } };
      },
    },
  ]);
}
