/** What is promised of identity. */
import type { PromiseEntry } from './promise.ts';

export const identityPromises = {
  'identity.alg-none': {
    sentence:
      'A token without a signature, or signed by an algorithm its issuer is not configured for, is unauthenticated.',
    source: 'RFC 8725 §3.1, §3.2',
  },
  'identity.strict-tokens': {
    sentence: 'No token or key that Wycheproof calls invalid is accepted: form, encoding, signature, strength of keys.',
    source: 'RFC 8725; Wycheproof, JSON Web Signature and JSON Web Key',
  },
  'identity.one-change': {
    sentence:
      'A workload token that is right in everything but one thing is refused, the audit trail names that thing, and nothing is sent.',
    source: 'RFC 8725; RFC 7515; RFC 7519',
  },
  'identity.every-check-counts': {
    sentence: 'Without any single check of the token verifiers, at least one row of the attack tables is accepted.',
    source: 'RFC 8725; switched off one by one in the source',
  },
  'identity.no-fault-by-token': {
    sentence: 'No token, however damaged, wherever it is shown, is accepted or makes the gate answer with a fault.',
    source: 'RFC 8725; bad input gets a clear error',
  },
  'identity.unknown-issuer': {
    sentence: 'A workload token of an issuer that is not configured is unauthenticated, whatever it claims.',
    source: 'way of a call, identity; OWASP AISVS C9.6.6',
  },
  'identity.purposes-apart': {
    sentence:
      'Tokens of agents, of subjects and of people pass in their own place only, also where one issuer makes them; one that is for two places passes in neither.',
    source: 'RFC 8725 §3.9, §3.12; issue: no kind passes for another',
  },
  'identity.spiffe-by-trust-domain': {
    sentence:
      'A JWT-SVID is verified by the bundle of the trust domain in its sub and by no other key, with or without iss.',
    source: 'SPIFFE JWT-SVID §3, §6; SPIFFE Trust Domain and Bundle §3',
  },
  'identity.conditions': {
    sentence: 'A token that fails a condition of its issuer is unauthenticated, also if the claim is missing.',
    source: 'issue: claim conditions; OWASP AISVS C9.6.6',
  },
  'identity.subject-verified': {
    sentence:
      'A subject is verified by a token of a subject issuer only, and asserted in every other case; a token that names its actor is good in the hands of that agent only.',
    source: 'words: subject, assurance; RFC 8693 §4.4',
  },
  'identity.people-by-role': {
    sentence: 'A person on the admin plane has the roles that the role claim of their token names, and no other.',
    source: 'what auditors see: who may; OWASP AISVS C9.6.6',
  },
  'identity.admin-apart': {
    sentence:
      'A configuration in which the admin plane shares an issuer or an audience with agents or subjects does not start.',
    source: 'what auditors see: issuers and audiences disjoint from the workloads',
  },
  'identity.expired-token': {
    sentence: 'An expired token is unauthenticated, and nothing reaches the target.',
    source: 'RFC 8725 §3; RFC 9068 §4',
  },
  'identity.token-kinds-apart': {
    sentence:
      'A workload token or a Txn-Token shown in place of a task token is unauthenticated: their keys, types and audiences differ.',
    source: 'tokens; RFC 8725 §3.11, §3.12',
  },
  'identity.unknown-kids-do-not-fetch': {
    sentence: 'Many tokens with unknown key ids cause a bounded number of key fetches.',
    source: 'RFC 8725 §3.10; complaint: 200 random kids cause 200 fetches',
  },
  'identity.keys-of-all-gateways': {
    sentence: 'A task token of one gateway is good at every gateway on the same store, and services see one key set.',
    source: 'tokens: keys of the gate shared over gateways',
  },
  'identity.rotation-drops-no-token': {
    sentence:
      'A rotated key is published before it signs, and the one before verifies until the last token it signed has expired.',
    source: 'metadata: keys rotate',
  },
  'identity.no-unpublished-key-signs': {
    sentence: 'No key signs before it is published to the gateways on the store and in the key set of the gate.',
    source: 'metadata: keys rotate; RFC 7517 §5',
  },
  'identity.keys-of-the-store-sealed': {
    sentence:
      'Private keys in the shared store are sealed under a secret, signed with by every gateway that has it, and never overwritten by one that has not.',
    source: 'metadata: keys from the store',
  },
  'identity.signer-is-not-believed': {
    sentence: 'What an external signer gives is used only if it verifies against the public key it was asked for.',
    source: 'metadata: keys from a KMS-style command',
  },
  'identity.signer-away': {
    sentence:
      'While an external signer is away nothing is signed, the gate is not ready, and calls that need a token are not sent.',
    source: 'metadata: keys from a KMS-style command; fail closed',
  },
  'identity.published-keys-marked': {
    sentence: 'With a secret of the gateways, a key that somebody else wrote into the store verifies nothing.',
    source: 'metadata: keys of all gateways',
  },
  'identity.txn-token-one-call': {
    sentence:
      'A Txn-Token names the subject, the agent and the task of one call, lives at most 60 seconds, and verifies against the published keys of the gate.',
    source: 'tokens; draft-ietf-oauth-transaction-tokens',
  },
  'identity.txn-token-single-use': {
    sentence: 'Of all copies of a service that share a memory exactly one takes a Txn-Token, and only once.',
    source: 'tokens; draft-ietf-oauth-transaction-tokens, Unique Transaction Identifier',
  },
  'identity.txn-keys-rotate': {
    sentence: 'A service finds a new key of the gate by itself, and made-up key ids cause it no storm of fetches.',
    source: 'docs/service-owner.md: keys change; RFC 8725 §3.10',
  },
  'identity.verifier-alone': {
    sentence: 'The published verifier loads no package and none of the gate but what it needs to verify.',
    source: 'docs/service-owner.md; complaint: a gateway holds every key, few dependencies',
  },
  'identity.verifiers-agree': {
    sentence: 'The verifiers in Node, Fastify, Python and Go give every token the verdict of the published one.',
    source: 'docs/service-owner.md',
  },
  'identity.bound-to-a-certificate': {
    sentence:
      'A task token asked for with a client certificate is refused without it and with any other; no other program than the SDK is needed for it.',
    source: 'tokens; RFC 8705 §3',
  },
  'identity.bound-to-a-proof-key': {
    sentence:
      'A task token asked for with a DPoP proof is refused as bearer, as API key, and with the proof of another key, request or token.',
    source: 'tokens; RFC 9449 §4.3, §7.2',
  },
  'identity.proofs-once': {
    sentence: 'A DPoP proof is taken once, by whichever of the gateways on a store gets it first.',
    source: 'RFC 9449 §11.1',
  },
  'identity.bound-where-required': {
    sentence:
      'Where issuer, route, operation or effect ask for it, a token that belongs to no key, or to one of another kind, is refused before anything is sent.',
    source: 'tokens; RFC 9449 §5.2, RFC 8705 §3',
  },
  'identity.subject-vouched-for': {
    sentence:
      'Where the policy wants the subject vouched for, an agent without a token of theirs gets no task for them; policy, trail and Txn-Token say which it was.',
    source: 'words: subject, assurance; OWASP AISVS C9.6.6',
  },
  'identity.wrong-subject-token': {
    sentence:
      'A token that is not a valid one of a subject, or not for this agent or tenant, opens no task, and the trail says why.',
    source: 'tokens; RFC 8725 §3.11, §3.12',
  },
  'identity.exchange-on-behalf': {
    sentence:
      'By token exchange the token of a subject and that of a workload, as actor or as client assertion, give a task for that subject.',
    source: 'what agents see: task, by standard; RFC 8693 §2; RFC 7523 §2.2',
  },
  'identity.narrowed-token': {
    sentence:
      'A token that is narrowed to some operations of its task is refused for the others, and told which it has.',
    source: 'tokens; RFC 6750 §3.1 insufficient_scope; OWASP AISVS C9.6.1',
  },
  'identity.metadata-says-what-works': {
    sentence: 'The metadata documents name what this gate serves and nothing else, and every 401 leads to them.',
    source: 'what agents see: keys, metadata; RFC 8414, RFC 9728',
  },
} as const satisfies Record<string, PromiseEntry>;
