/**
 * The contract of a provider: how whoever runs a model takes the requests of an API, and gives its answers. A new one is
 * one file here, one line in `index.ts` and its name in `wire/model-apis.ts`. What a reader would get wrong: payloads
 * know of no provider. They speak the API of the target, and whatever differs from that is made and taken back here.
 */
import type { OutboundRequest, Target } from '../../call.ts';
import type { ProviderName } from '../../wire/model-apis.ts';

/** An answer as it comes, its content coding taken off. */
export interface ProviderAnswer {
  readonly status: number;
  /** Lower-case names; which of them reach an agent is decided later. */
  readonly headers: Readonly<Record<string, string>>;
  /** Read once; leaving the loop early closes the connection. Throws DialError. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Provider {
  readonly name: ProviderName;
  /**
   * What goes to the provider in place of `asked`, a request in the API of `target` for its base URL. The same one where
   * nothing has to change. Header names are lower-case.
   */
  request(asked: OutboundRequest, target: Target): OutboundRequest;
  /** The answer to `asked` as the API of `target` has it; errors too, so that SDKs make their classes of them. */
  answer(answer: ProviderAnswer, asked: OutboundRequest, target: Target): ProviderAnswer;
}

/** For whoever takes the requests of the API as they are, whatever their URL. */
export const asItIs = {
  request: (asked: OutboundRequest): OutboundRequest => asked,
  answer: (answer: ProviderAnswer): ProviderAnswer => answer,
};
