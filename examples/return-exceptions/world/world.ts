/**
 * All programs around the gate, started together on loopback. The keys they ask for are made at start and given to
 * nobody but the gate, through the `${env:…}` values of tollgate.yaml.
 */
import { randomBytes } from 'node:crypto';
import { createTxnTokenVerifier } from '../../../src/identity/verify.ts';
import { RiskAgent } from '../risk-agent.ts';
import { awsIssuer, azureIssuer, edgeDomain, onpremIssuer, shopIssuer, strangeIssuer } from './identities.ts';
import { type LedgerEntry, ModelServer } from './model.ts';
import { ordersService } from './orders.ts';
import { ParcelDesk } from './parcels.ts';
import type { Received } from './record.ts';
import { refundsService } from './refunds.ts';
import { riskService } from './risk.ts';
import { Vendor } from './vendor.ts';

export const trustDomain = 'example.internal';

/** Ports the programs like; any of them moves to a free one where it is taken. */
export const worldPorts = {
  azure: 4710,
  orders: 4711,
  risk: 4712,
  refunds: 4713,
  vendor: 4714,
  modelAzure: 4715,
  stranger: 4716,
  aws: 4717,
  onprem: 4718,
  riskAgent: 4719,
  modelAws: 4720,
  modelOverseas: 4721,
  edge: 4722,
  shop: 4723,
  parcels: 4724,
} as const;

function newKey(): string {
  return randomBytes(24).toString('base64url');
}

export class World implements AsyncDisposable {
  readonly issuers = {
    azure: azureIssuer(worldPorts.azure),
    aws: awsIssuer(worldPorts.aws),
    onprem: onpremIssuer(worldPorts.onprem),
  } as const;
  /** Where agents have no cloud that would vouch for them. */
  readonly edge = edgeDomain(worldPorts.edge);
  /** Vouches for customers. */
  readonly shop = shopIssuer(worldPorts.shop);
  /** An honest issuer that the gate was never told of. */
  readonly stranger = strangeIssuer(worldPorts.stranger);
  /** Everything that any agent showed to the gate, to look for it where none of it may be. */
  readonly agentTokens = new Set<string>();
  readonly riskAgent = new RiskAgent({
    workload: () => this.issuers.onprem.workload('legal-risk'),
    shown: (token) => this.agentTokens.add(token),
  });
  readonly orders = ordersService(newKey());
  readonly risk = riskService(newKey());
  readonly refunds = refundsService(newKey());
  readonly vendor = new Vendor();
  /** The carrier's server of MCP. */
  readonly parcels = new ParcelDesk(newKey());
  /** What all model servers gave, oldest first. */
  readonly ledger: LedgerEntry[] = [];
  readonly models = {
    azure: new ModelServer({ target: 'azure-weu', key: newKey(), ledger: this.ledger }),
    aws: new ModelServer({ target: 'aws-fra', key: newKey(), ledger: this.ledger }),
    /** The cheapest of them, and outside the regions where a customer's data may go. */
    overseas: new ModelServer({ target: 'aws-use1', key: newKey(), ledger: this.ledger }),
  } as const;

  async open(): Promise<void> {
    await Promise.all([
      ...Object.values(this.issuers).map((issuer) => issuer.open()),
      this.edge.open(),
      this.shop.open(),
      this.stranger.open(),
      this.riskAgent.open(worldPorts.riskAgent),
      this.orders.open(worldPorts.orders),
      this.risk.open(worldPorts.risk),
      this.refunds.service.open(worldPorts.refunds),
      this.vendor.open(worldPorts.vendor),
      this.parcels.open(worldPorts.parcels),
      this.models.azure.open(worldPorts.modelAzure),
      this.models.aws.open(worldPorts.modelAws),
      this.models.overseas.open(worldPorts.modelOverseas),
    ]);
  }

  /** The values of tollgate.yaml: where everything is, and the keys that only the gate holds. */
  env(): Record<string, string> {
    return {
      AZURE_ISSUER_URL: this.issuers.azure.url,
      AWS_ISSUER_URL: this.issuers.aws.url,
      ONPREM_ISSUER_URL: this.issuers.onprem.url,
      EDGE_BUNDLE_URL: this.edge.bundleUrl,
      SHOP_ISSUER_URL: this.shop.url,
      AZURE_MODEL_URL: this.models.azure.url,
      AZURE_MODEL_KEY: this.models.azure.key,
      AWS_MODEL_URL: this.models.aws.url,
      AWS_MODEL_KEY: this.models.aws.key,
      OVERSEAS_MODEL_URL: this.models.overseas.url,
      OVERSEAS_MODEL_KEY: this.models.overseas.key,
      ORDERS_URL: this.orders.url,
      ORDERS_KEY: this.orders.key,
      RISK_URL: this.risk.url,
      RISK_KEY: this.risk.key,
      REFUNDS_URL: this.refunds.service.url,
      REFUNDS_KEY: this.refunds.service.key,
      VENDOR_URL: this.vendor.url,
      PARCELS_URL: this.parcels.url,
      PARCELS_KEY: this.parcels.key,
    };
  }

  /**
   * From now on the services take the Txn-Tokens of the gate at `gateUrl`, by the keys it publishes, and the legal-risk
   * agent makes its calls there.
   */
  trustGate(gateUrl: string): void {
    this.riskAgent.use(gateUrl);
    const jwks = { uri: `${gateUrl}/.well-known/jwks.json` };
    for (const service of [this.orders, this.risk, this.refunds.service, this.parcels]) {
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
      ['parcels', this.parcels.received],
      ['model azure', this.models.azure.received],
      ['model aws', this.models.aws.received],
      ['model overseas', this.models.overseas.received],
    ]);
  }

  /** What runs where, a line each. */
  directory(): readonly (readonly [name: string, url: string, what: string])[] {
    return [
      ['azure', this.issuers.azure.url, "Azure's OIDC issuer: coordinator"],
      ['aws', this.issuers.aws.url, "AWS's OIDC issuer: inventory-sync, and another coordinator"],
      ['onprem', this.issuers.onprem.url, 'the OIDC issuer on-prem: legal-risk'],
      ['edge', this.edge.url, 'a SPIFFE trust domain: self-service'],
      ['shop', this.shop.url, 'the sign-in of customers'],
      ['legal-risk', this.riskAgent.url, "the legal department's agent on-prem"],
      ['model', this.models.azure.url, 'in Azure, OpenAI chat wire format, plays a script'],
      ['', this.models.aws.url, 'the same in AWS, Frankfurt'],
      ['', this.models.overseas.url, 'the same in AWS, Virginia: cheap, and never used'],
      ['orders', this.orders.url, 'data retrieval "in AWS"'],
      ['risk', this.risk.url, 'the legal department\'s risk service "on-prem"'],
      ['refunds', this.refunds.service.url, 'refunds API, moves money'],
      ['vendor', this.vendor.url, 'a vendor site that is down'],
      ['parcels', this.parcels.url, 'the carrier\'s desk "in AWS", a server of MCP'],
      ['stranger', this.stranger.url, 'an issuer the gate does not know'],
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [
        ...Object.values(this.issuers),
        this.edge,
        this.shop,
        this.stranger,
        this.riskAgent,
        this.orders,
        this.risk,
        this.refunds.service,
        this.vendor,
        this.parcels,
        ...Object.values(this.models),
      ].map((part) => part.close()),
    );
  }
}
