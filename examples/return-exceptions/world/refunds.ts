/**
 * The refunds API: the only program of the world that moves money. It does not take the gate's word for the customer:
 * the subject of the Txn-Token and the customer of the body must be the same.
 */
import { Service, ServiceRefusal } from './service.ts';

export interface Refund {
  readonly refund_id: string;
  readonly customer_id: string;
  readonly order_id: string;
  readonly amount_cents: number;
}

export interface RefundsService {
  readonly service: Service;
  /** The refunds that were paid out, oldest first. */
  readonly paid: readonly Refund[];
}

export function refundsService(key: string): RefundsService {
  const paid: Refund[] = [];
  const service = new Service('refunds', key, [
    {
      operation: 'refunds.create_refund',
      method: 'POST',
      path: '/refunds',
      answer: ({ body, txn }) => {
        const { customer_id: customerId, order_id: orderId, amount_cents: amountCents } = body;
        if (typeof customerId !== 'string' || typeof orderId !== 'string' || !Number.isSafeInteger(amountCents)) {
          throw new ServiceRefusal(400, 'body', 'customer_id, order_id and a whole amount_cents are needed');
        }
        if (txn.subject !== customerId) {
          throw new ServiceRefusal(403, 'other_customer', 'the Txn-Token is for another customer than the refund');
        }
        const refund: Refund = {
          refund_id: `R-${String(paid.length + 1).padStart(4, '0')}`,
          customer_id: customerId,
          order_id: orderId,
          amount_cents: amountCents as number,
        };
        paid.push(refund);
        return { status: 201, body: refund };
      },
    },
  ]);
  return { service, paid };
}
