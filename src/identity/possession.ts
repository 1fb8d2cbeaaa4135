/**
 * Proof of possession: that whoever shows a bound token holds the key it belongs to. A bound token without its proof
 * is nothing, also in the `Authorization: Bearer` of a client that does not know better (RFC 9449 §7.2). Where a token is
 * asked for, a proof that is there and does not hold is refused; beside a token that belongs to no key it is not read.
 */
import type { Agent, Binding, BindingRequired, Shown, ShownToken } from '../call.ts';
import type { Clock } from '../clock.ts';
import { type Denial, deny, isDenial } from '../denial.ts';
import { type Store, StoreUnavailable } from '../store/store.ts';
import { bindingOf, meets } from './binding.ts';
import { type Proof, readProof, tokenHash } from './dpop.ts';
import { ProofMemory } from './dpop-memory.ts';
import { isRefusal, type Refusal, refuse } from './refusal.ts';
import { unauthenticated } from './unauthenticated.ts';

export interface PossessionPorts {
  /** Shared by all gateways: a proof is used at one of them. */
  readonly store: Pick<Store, 'compareAndSet'>;
  readonly clock: Clock;
  readonly publicUrl: string;
}

export class Possession {
  readonly #ports: PossessionPorts;
  readonly #memory: ProofMemory;
  /** A request has one proof, which may stand for several of its tokens: it is read once, and used once. */
  readonly #proofs = new WeakMap<Shown, Proof | Refusal>();
  readonly #uses = new WeakMap<Shown, Promise<Denial | undefined>>();

  constructor(ports: PossessionPorts) {
    this.#ports = ports;
    this.#memory = new ProofMemory(ports);
  }

  /**
   * Undefined where the request proves the key that a token belongs to. Denies 401 `unauthenticated` (`binding_missing`,
   * `binding_wrong`, `proof_…`), or 503 `store_unavailable` where it cannot be told whether a proof is new. Never rejects
   * for what a client can send.
   */
  async prove(binding: Binding | null, { token, shown }: ShownToken): Promise<Denial | undefined> {
    if (binding?.kind !== 'dpop') {
      if (shown.scheme === 'dpop') return unauthenticated(refuse('binding_wrong'));
      if (binding === null) return undefined;
      if (shown.certificate === null) return unauthenticated(refuse('binding_missing'));
      return shown.certificate === binding.thumbprint ? undefined : unauthenticated(refuse('binding_wrong'));
    }
    // A token in a form has no scheme to be shown by.
    if (shown.proof === null || (shown.scheme !== 'dpop' && shown.scheme !== null)) {
      return unauthenticated(refuse('binding_missing'));
    }
    const proof = this.#read(shown, shown.proof);
    if (isRefusal(proof)) return unauthenticated(proof);
    if (proof.jkt !== binding.thumbprint) return unauthenticated(refuse('binding_wrong'));
    if (shown.scheme === 'dpop' && proof.ath !== tokenHash(token)) return unauthenticated(refuse('proof_wrong'));
    return this.#use(shown, proof);
  }

  /** `prove` for a workload token, by its own `cnf`; one that the gate cannot check is `claim_invalid`. */
  async proveWorkload({ claims }: Agent, credential: ShownToken): Promise<Denial | undefined> {
    const binding = bindingOf(claims.cnf);
    return binding === undefined ? unauthenticated(refuse('claim_invalid')) : this.prove(binding, credential);
  }

  /**
   * What a token that this request asks for will belong to: the key of its DPoP proof, else its client certificate, else
   * nothing. Where `mtls` is required the certificate goes first. To be asked only once the workload is known: a proof is
   * remembered. Denies as `prove`, and with `binding_required` where nothing that will do is proved.
   */
  async bind(shown: Shown, required: BindingRequired): Promise<Binding | null | Denial> {
    const byProof = shown.proof === null ? null : await this.#bindByProof(shown, shown.proof);
    if (isDenial(byProof)) return byProof;
    const byCertificate: Binding | null =
      shown.certificate === null ? null : { kind: 'mtls', thumbprint: shown.certificate };
    const binding = required === 'mtls' ? byCertificate : (byProof ?? byCertificate);
    return meets(required, binding) ? binding : unauthenticated(refuse('binding_required'));
  }

  async #bindByProof(shown: Shown, text: string): Promise<Binding | Denial> {
    const proof = this.#read(shown, text);
    if (isRefusal(proof)) return unauthenticated(proof);
    return (await this.#use(shown, proof)) ?? { kind: 'dpop', thumbprint: proof.jkt };
  }

  #read(shown: Shown, text: string): Proof | Refusal {
    const { clock, publicUrl } = this.#ports;
    const known = this.#proofs.get(shown) ?? readProof(text, shown, publicUrl, clock.nowMs());
    this.#proofs.set(shown, known);
    return known;
  }

  #use(shown: Shown, proof: Proof): Promise<Denial | undefined> {
    const known = this.#uses.get(shown) ?? this.#useOnce(proof);
    this.#uses.set(shown, known);
    return known;
  }

  async #useOnce(proof: Proof): Promise<Denial | undefined> {
    try {
      const refused = await this.#memory.use(proof);
      return refused === undefined ? undefined : unauthenticated(refused);
    } catch (fault) {
      if (!(fault instanceof StoreUnavailable)) throw fault;
      return deny('store_unavailable', 'Whether the proof was used before cannot be told.');
    }
  }
}
