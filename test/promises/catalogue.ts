/** What is promised of the catalogue of tools. */
import type { PromiseEntry } from './promise.ts';

export const cataloguePromises = {
  'catalogue.pinned': {
    sentence:
      'The definition of a tool of an MCP server is pinned by its hash when first seen, and outlives a store that forgets.',
    source: 'design: drift; OWASP AISVS C10',
  },
  'catalogue.drift-blocked': {
    sentence:
      'A tool whose definition has changed is not listed and not called until an operator accepts exactly that definition.',
    source: 'design: drift, tool_drifted; OWASP AISVS C10',
  },
  'catalogue.drift-flagged': {
    sentence: 'Where a route lets a changed tool go on, the policy and the audit trail are told of it on every call.',
    source: 'design: drift, blocked or flagged by policy',
  },
  'catalogue.hidden-instructions': {
    sentence:
      'What speaks to the model behind the back of people in the description of a tool, a resource or a prompt is found and taken out of what agents see.',
    source: 'design: descriptions are scanned; OWASP AISVS C10',
  },
  'catalogue.console-accept': {
    sentence: 'The console shows what has changed of a tool as text, and accepts exactly what it shows.',
    source: 'design: drift, a page on the console',
  },
} as const satisfies Record<string, PromiseEntry>;
