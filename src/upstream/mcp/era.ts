/**
 * How a server over HTTP is spoken to: the modern version is tried first with `server/discover`, and whatever refuses
 * that is taken for an older one, which then has to agree to `initialize`. What is found is remembered for a while, by
 * endpoint, for all tasks: it says nothing of any of them. A server that is away or unwell has not been found out.
 */
import type { JsonObject, Target } from '../../call.ts';
import { RecentMap } from '../../store/recent-map.ts';
import { standardHeaders } from '../../wire/mcp/headers.ts';
import { objectIn, type RpcResponse } from '../../wire/mcp/message.ts';
import { isModern, modernVersion } from '../../wire/mcp/versions.ts';
import type { Errand } from '../send.ts';
import { type Client, type Failed, type McpPorts, modernMeta } from './ports.ts';
import { inHandshake, refusedDenial, request, type Talk, unanswered } from './talk.ts';

export type Era = 'modern' | 'legacy';

/** How long a finding is good, in milliseconds, and of how many endpoints it is kept. */
const goodMs = 10 * 60_000;
const endpointsMax = 4_096;

/** The codes of a modern server that a refusal of `server/discover` may have; -32022 says which versions it has. */
const unsupportedVersion = -32022;

interface Finding {
  readonly era: Era;
  readonly untilMs: number;
}

type EraPorts = Talk & Pick<McpPorts, 'clock' | 'info'>;

export class Eras {
  readonly #ports: EraPorts;
  readonly #found = new RecentMap<Finding>(endpointsMax);
  readonly #finding = new Map<string, Promise<Era | Failed>>();

  constructor(ports: EraPorts) {
    this.#ports = ports;
  }

  /** The era of a target. Who asks while another finds out waits for that, and asks itself where it failed. */
  async of(errand: Errand, target: Target, conversation?: Client): Promise<Era | Failed> {
    const known = this.known(target);
    if (known !== undefined) return known;
    const key = keyOf(target);
    const other = await this.#finding.get(key)?.catch(() => undefined);
    if (typeof other === 'string') return other;
    const finding = this.#discover(errand, target, conversation);
    this.#finding.set(key, finding);
    try {
      const era = await finding;
      if (typeof era === 'string') this.#found.set(key, { era, untilMs: this.#ports.clock.monotonicMs() + goodMs });
      return era;
    } finally {
      if (this.#finding.get(key) === finding) this.#finding.delete(key);
    }
  }

  /** What was found and still holds. */
  known(target: Target): Era | undefined {
    const found = this.#found.get(keyOf(target));
    return found !== undefined && found.untilMs > this.#ports.clock.monotonicMs() ? found.era : undefined;
  }

  /** What was found does not hold any more: the next call finds out anew. */
  forget(target: Target): void {
    this.#found.delete(keyOf(target));
  }

  async #discover(errand: Errand, target: Target, conversation?: Client): Promise<Era | Failed> {
    const method = 'server/discover';
    const params: JsonObject = { _meta: modernMeta(this.#ports, conversation) };
    const headers = standardHeaders(modernVersion, method, params);
    const asked = { id: 'discover', method, params };
    const said = await request(this.#ports, errand, inHandshake(target, { version: modernVersion }), asked, headers);
    if ('failed' in said) return { ...said, failed: { ...said.failed, sent: false } };
    if ('response' in said) return eraSaid(said.response);
    const { refused } = said;
    const status = refused.status ?? 0;
    // Some older servers fall over what they do not know; whether they do more than that, `initialize` will tell.
    if (status < 500 ? status !== 401 && status !== 403 && status !== 408 && status !== 429 : status <= 501)
      return 'legacy';
    return { failed: { ...unanswered(refused), sent: false }, denial: refusedDenial(target, refused) };
  }
}

/** What the response to `server/discover` says of its server. */
function eraSaid(response: RpcResponse): Era {
  if ('result' in response) return offers(response.result.supportedVersions) ? 'modern' : 'legacy';
  if (response.error.code !== unsupportedVersion) return 'legacy';
  return offers(objectIn(response.error.data)?.supported) ? 'modern' : 'legacy';
}

function offers(versions: unknown): boolean {
  return Array.isArray(versions) && versions.includes(modernVersion);
}

/**
 * Whether a refusal says that the server is of the other era than it was taken for, and so has done nothing. `response`
 * is what was said with it, where that is a message of MCP.
 */
export function isOtherEra(version: string, status: number, response: RpcResponse | undefined): boolean {
  const code = response !== undefined && 'error' in response ? response.error.code : undefined;
  if (code === unsupportedVersion) return true;
  if (!isModern(version)) return status === 400 && code === -32020;
  // An older server asks for a session first, or does not know what it is to do with the request.
  const saysNothing = response === undefined || code === -32000 || code === -32600;
  return (status === 400 || status === 404 || status === 405) && saysNothing;
}

function keyOf({ route, name, url }: Target): string {
  return `${route}/${name} ${url}`;
}
