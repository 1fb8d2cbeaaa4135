/**
 * All programs around the gate, started together on loopback. The keys they ask for are made at start and given to
 * nobody but the gate, through the `${env:…}` values of tollgate.yaml.
 */
import { randomBytes } from 'node:crypto';
import { createTxnTokenVerifier } from '../../../src/identity/verify.ts';
import { Issuer } from './issuer.ts';
import { ModelServer } from './model.ts';
import { ordersService } from './orders.ts';
import type { Received } from './record.ts';
import { refundsService } from './refunds.ts';
import { riskService } from './risk.ts';
import { Vendor } from './vendor.ts';

export const trustDomain = 'example.internal';
export const gateAudience = 'api://tollgate';

/** Ports the programs like; any of them moves to a free one where it is taken. */
export const worldPorts = {
  issuer: 4710,
  orders: 4711,
  risk: 4712,
  refunds: 4713,
  vendor: 4714,
  model: 4715,
  stranger: 4716,
} as const;

function newKey(): string {
  return randomBytes(24).toString('base64url');
}

export class World implements AsyncDisposable {
  readonly issuer = new Issuer({ audience: gateAudience, tenant: 'acme', preferredPort: worldPorts.issuer });
  /** An honest issuer that the gate was never told of. */
  readonly stranger = new Issuer({ audience: gateAudience, tenant: 'acme', preferredPort: worldPorts.stranger });
  readonly orders = ordersService(newKey());
  readonly risk = riskService(newKey());
  readonly refunds = refundsService(newKey());
  readonly vendor = new Vendor();
  readonly #modelKey = newKey();
  readonly model = new ModelServer(this.#modelKey);

  async open(): Promise<void> {
    await Promise.all([
      this.issuer.open(),
      this.stranger.open(),
      this.orders.open(worldPorts.orders),
      this.risk.open(worldPorts.risk),
      this.refunds.service.open(worldPorts.refunds),
      this.vendor.open(worldPorts.vendor),
      this.model.open(worldPorts.model),
    ]);
  }

  /** The values of tollgate.yaml: where everything is, and the keys that only the gate holds. */
  env(): Record<string, string> {
    return {
      ISSUER_URL: this.issuer.url,
      MODEL_URL: this.model.url,
      MODEL_KEY: this.#modelKey,
      ORDERS_URL: this.orders.url,
      ORDERS_KEY: this.orders.key,
      RISK_URL: this.risk.url,
      RISK_KEY: this.risk.key,
      REFUNDS_URL: this.refunds.service.url,
      REFUNDS_KEY: this.refunds.service.key,
      VENDOR_URL: this.vendor.url,
    };
  }

  /** From now on the services take the Txn-Tokens of the gate at `gateUrl`, by the keys it publishes. */
  trustGate(gateUrl: string): void {
    const jwks = { uri: `${gateUrl}/.well-known/jwks.json` };
    for (const service of [this.orders, this.risk, this.refunds.service]) {
      // One for each: what a service has seen is its own business.
      service.trust(createTxnTokenVerifier({ jwks, issuer: gateUrl, trustDomain }));
    }
  }

  /** Everything that any program behind the gate received, by its name. */
  received(): ReadonlyMap<string, readonly Received[]> {
    return new Map([
      ['orders', this.orders.received],
      ['risk', this.risk.received],
      ['refunds', this.refunds.service.received],
      ['vendor', this.vendor.received],
      ['model', this.model.received],
    ]);
  }

  /** What runs where, a line each. */
  directory(): readonly (readonly [name: string, url: string, what: string])[] {
    return [
      ['issuer', this.issuer.url, 'OIDC issuer, standing for Azure'],
      ['model', this.model.url, 'OpenAI chat wire format, plays a script'],
      ['orders', this.orders.url, 'data retrieval "in AWS"'],
      ['risk', this.risk.url, 'legal-risk policy agent "on-prem"'],
      ['refunds', this.refunds.service.url, 'refunds API, moves money'],
      ['vendor', this.vendor.url, 'a vendor site that is down'],
      ['stranger', this.stranger.url, 'an issuer the gate does not know'],
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [this.issuer, this.stranger, this.orders, this.risk, this.refunds.service, this.vendor, this.model].map((part) =>
        part.close(),
      ),
    );
  }
}
