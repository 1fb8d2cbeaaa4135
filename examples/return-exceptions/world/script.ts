/**
 * What the scripted model says. It reads the conversation it is sent, as a model would: how many tool results there
 * are tells where it stands, and what they say goes into the next proposal. It has no other state.
 */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly tool_call_id?: string;
}

export interface ScriptedCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface Turn {
  readonly reasoning: string;
  readonly text: string;
  readonly calls: readonly ScriptedCall[];
}

export const conversation = {
  customerId: 'C-1001',
  orderId: 'A-1001',
  /** The return period of the order ended this long before the customer wrote. */
  daysLate: 34,
} as const;

function results(messages: readonly ChatMessage[]): Record<string, unknown>[] {
  return messages
    .filter(({ role }) => role === 'tool')
    .map(({ content }) => {
      try {
        const value: unknown = JSON.parse(String(content));
        return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
      } catch {
        return {};
      }
    });
}

/** The next turn of a conversation about the return exception. */
export function nextTurn(messages: readonly ChatMessage[]): Turn {
  const { customerId, orderId, daysLate } = conversation;
  const [customer, order, assessment, refund] = results(messages);
  if (customer === undefined || order === undefined) {
    return {
      reasoning: 'I need to know who asks, what they are worth to us, and what was bought.',
      text: 'I look at the customer and at the order first.',
      calls: [
        { name: 'orders__get_customer', arguments: { customer_id: customerId } },
        { name: 'orders__get_order', arguments: { customer_id: customerId, order_id: orderId } },
      ],
    };
  }
  if (assessment === undefined) {
    return {
      reasoning: 'The return period is over. Whether an exception is a legal risk is not mine to judge.',
      text: 'The return period has ended, so I ask for an assessment of the risk.',
      calls: [
        {
          name: 'risk__assess_return',
          arguments: {
            customer_id: customerId,
            order_id: orderId,
            amount_cents: Number(order.paid_cents),
            lifetime_value_cents: Number(customer.lifetime_value_cents),
            days_late: daysLate,
          },
        },
      ],
    };
  }
  if (assessment.risk !== 'low') {
    return {
      reasoning: 'The risk is not low.',
      text: 'I cannot grant this exception; a person must look at it.',
      calls: [],
    };
  }
  if (refund === undefined) {
    return {
      reasoning: 'The risk is low and the customer has been with us for years: the exception is worth it.',
      text: 'The risk is low. I refund what was paid.',
      calls: [
        {
          name: 'refunds__create_refund',
          arguments: {
            customer_id: customerId,
            order_id: orderId,
            amount_cents: Number(order.paid_cents),
            reason: 'goodwill: late return by a customer of many years',
          },
        },
      ],
    };
  }
  return {
    reasoning: 'The refund went through; nothing is left to do.',
    text: `The exception is granted: refund ${String(refund.refund_id)} over ${String(refund.amount_cents)} cents.`,
    calls: [],
  };
}

/** The answer where no tools are offered: as long as it may be, so that budgets have something to count. */
export function plainTurn(tokensMax: number): Turn {
  const words = ['A', 'return', 'exception', 'weighs', 'goodwill', 'against', 'precedent', 'and', 'cost.'];
  const count = Math.min(tokensMax, 60);
  return {
    reasoning: '',
    text: Array.from({ length: count }, (_, index) => words[index % words.length]).join(' '),
    calls: [],
  };
}
