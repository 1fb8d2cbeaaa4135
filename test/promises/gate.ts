/** What is promised of the gate as a whole. */
import type { PromiseEntry } from './promise.ts';

export const gatePromises = {
  'pipeline.faults-refuse': {
    sentence:
      'A stage that throws, hangs or returns garbage ends in a refusal: settled once, audited, and no byte upstream before the exchange.',
    source: 'way of a call: fail closed',
  },
  'wire.documents-judge-calls': {
    sentence:
      'What the OpenAPI document of a service allows passes as it was meant; what is missing, hallucinated, of a wrong type or none of an enum is refused before the service sees a byte, with its place and kind.',
    source: 'design: what agents see, HTTP tools; vision: a hallucinated parameter ends at the gate',
  },
  'wire.documents-lead-nowhere': {
    sentence:
      'A document leads to files beside it and to hosts that are configured, and nowhere else; any other reference makes it refused, and it starts without the network from its last good copy.',
    source: 'conventions: network references are not followed unless their hosts are listed',
  },
  'wire.unchanged-bytes': {
    sentence: 'What nothing changed goes to the target byte for byte.',
    source: 'way of a call: wire',
  },
  'wire.fields-classed': {
    sentence:
      'Every field, block, tool and beta feature that the SDK of a model provider knows has a class, and what has none stands before the policy by its name.',
    source: 'model requests',
  },
  'wire.clients-unchanged': {
    sentence:
      'The SDKs of OpenAI and Anthropic, Vercel AI, LangChain and OpenAI Agents run their loops of tools with base URL and key changed alone, under the shipped policy, redaction and a strict trail, on every provider, each action linked to its thought.',
    source: 'design: what agents see, models; complaint: a gateway that wants an SDK of its own',
  },
  'wire.mcp-conformance': {
    sentence:
      'Every scenario of the conformance suite of MCP, for 2025-11-25 and 2026-07-28, is as green through the gate as directly, under the shipped policy, inspection and a strict trail; and each call that a server received is in the trail once, and none that it did not.',
    source: 'design: what agents see, MCP; OWASP AISVS C10.4',
  },
  'wire.mcp-any-client-any-server': {
    sentence:
      'Clients of MCP of either era reach servers of either era with URL and token changed alone: tools, resources, prompts, completion, progress, logs, cancellation, and what a server asks; what is refused comes as a result that a model reads, and never reaches the server.',
    source: 'design: what agents see, MCP, denials',
  },
  'wire.mcp-arguments-judged': {
    sentence:
      'Arguments that a tool of an MCP server does not know, of a wrong type, or missing end at the gate, as a result that names each fault and the nearest name there is.',
    source: 'vision: a hallucinated parameter ends at the gate; design: denials on MCP',
  },
  'wire.mcp-headers-agree': {
    sentence:
      'A request whose headers say something else than its body reaches no server, and servers get headers that say what the body says.',
    source: 'MCP 2026-07-28, Request Metadata; OWASP AISVS C10.4',
  },
  'wire.mcp-http-operations-are-tools': {
    sentence:
      'The operations of an HTTP service are tools of MCP, with the same checks as when they are called by HTTP.',
    source: 'design: what agents see, MCP',
  },
  'wire.clients-not-retrying': {
    sentence:
      'A client throws an error of its own with the code of the gate, also in mid-stream, and asks only once for what a budget or a rule refuses.',
    source: 'design: denials on every surface',
  },
  'wire.split-anywhere': {
    sentence: 'A stream of any provider, cut to pieces anywhere on its way, is the same to the client that reads it.',
    source: 'design: streams',
  },
  'wire.provider-ids-bound': {
    sentence:
      'What a model provider keeps for one task (responses, containers, files) can be named by no other task, and goes to no other target than the one that keeps it.',
    source: 'design: model requests',
  },
  'wire.responses-remembered': {
    sentence:
      'A response that its client takes for kept, because it left `store` out, is remembered by the gate: what a later request of the task names by its id, or by the ids of its items, reaches the target whole, with nothing stored there.',
    source: 'design: model requests; decision 0038; complaint: clients that rely on stored responses break',
  },
  'wire.responses-remembered-alone': {
    sentence:
      'Remembered responses are sealed for their task, found by no other and by no part of it, gone when its time is over, and inspected and decided on anew whenever they are sent again.',
    source: 'decision 0038',
  },
  'wire.responses-remembered-bounded': {
    sentence:
      'Remembered responses have bounds for each, for a task and for a gateway, so that they never take the place of tasks in the store; what fell off is refused by its id, and never left out.',
    source: 'design: bounds; decision 0038',
  },
  'wire.arguments-validated': {
    sentence:
      'Arguments that do not fit the operation are denied as args_invalid, and a path that fits no operation as operation_unknown.',
    source: 'what agents see: HTTP tools; OWASP AISVS C9.6.1',
  },
  'server.admin-least-privilege': {
    sentence:
      'A route of the admin plane opens to the roles that its table names and to nobody else, and no route is beside the table.',
    source: 'what auditors see: who may; OWASP AISVS C9.6.1',
  },
  'server.admin-people-alone': {
    sentence:
      'No workload, subject, task, Txn- or federation token opens the admin plane, nor does the local token once people sign in by OIDC.',
    source: 'tokens; what auditors see: who may; RFC 8725 §3.12',
  },
  'server.admin-no-foreign-page': {
    sentence: 'A page of another origin, another site or another name of this host reaches nothing on the admin plane.',
    source: 'what auditors see: Host, Origin and CSRF are checked, on loopback too',
  },
  'server.drains': {
    sentence: 'On SIGTERM the gate is not ready, streams end in their own time, and then it leaves.',
    source: 'what agents see: health',
  },
  'server.hostile-framings': {
    sentence:
      'A request whose framing two readers could understand differently reaches no target, nor does what stands behind it.',
    source: 'RFC 9112 §6.3, §11.2; facts measured: HTTP',
  },
  'wire.hostile-requests': {
    sentence:
      'A request to an HTTP tool that two readers could understand differently, by its path, query, headers or body, reaches the service as the one that was decided on, or not at all.',
    source: 'design: what agents see, HTTP tools',
  },
  'wire.bodies-described': {
    sentence:
      'Forms with files and bodies of bytes are decided on by name, type, size and digest, their texts are inspected, and they are written anew in one form.',
    source: 'design: the way of a call; what agents see, HTTP tools',
  },
  'wire.results-bounded': {
    sentence:
      'A result that is longer than its route lets through goes out in pages, each whole by itself, of which the rest is its own task’s alone; pages of HTML come without what a reader would not see.',
    source: 'design: what agents see, HTTP tools',
  },
  'wire.answers-fit': {
    sentence:
      'A good answer that does not fit the document of its service is refused where the route says so, and told of without its values.',
    source: 'OWASP AISVS C9.7',
  },
  'server.slow-clients': {
    sentence: 'Slow and half-open clients hold no connection beyond the limit, and the others are served meanwhile.',
    source: 'operating it: limits and slow-client protection',
  },
  'server.mtls': {
    sentence: 'Where client certificates are required, nobody gets an answer without one of the configured authority.',
    source: 'operating it: TLS and mTLS listeners',
  },
  'config.reload-drops-nothing': {
    sentence: 'A changed configuration comes into force without a failed request, and each reload is recorded.',
    source: 'complaint: a reload under load drops requests; tollgate.yaml',
  },
  'config.wrong-change-refused': {
    sentence:
      'A wrong change at run time is refused with every fault and its line, and the running configuration stays.',
    source: 'tollgate.yaml',
  },
  'cli.tools': {
    sentence:
      'A person calls a tool from the command line with the checks that an agent has, and is told what an agent is told.',
    source: 'design: tools',
  },
  'cli.packed': {
    sentence: 'The packed package, installed in a fresh folder, checks a configuration, starts, is ready, and stops.',
    source: 'operating it: npm pack',
  },
  'config.all-faults-listed': {
    sentence: 'A wrong configuration stops the start with every fault listed, each with its line.',
    source: 'tollgate.yaml',
  },
  'server.console-closed': {
    sentence: 'The console serves its own files and no others, under a policy that lets in nothing from elsewhere.',
    source: 'people at the console',
  },
  'server.console-playground': {
    sentence: 'In a browser a recorded input can be picked, evaluated, changed, and the rule that then fires be seen.',
    source: 'people at the console',
  },
  'server.console-hostile-text': {
    sentence:
      'What agents and their calls put into a recorded input is shown as text and never becomes part of a page.',
    source: 'people at the console',
  },
  'server.console-budgets': {
    sentence:
      'People see what was spent by day, tenant, agent, route, model and target in a plot and in tables, with limits and tasks.',
    source: 'design: budgets, looking back',
  },
  'server.console-keyboard': {
    sentence: 'Everything in the console can be done with the keyboard alone.',
    source: 'people at the console: WCAG 2.2 §2.1.1',
  },
} as const satisfies Record<string, PromiseEntry>;
