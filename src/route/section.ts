/**
 * The `routes` section of tollgate.yaml: the routing table. The kinds of a row are told apart by `kind` with the
 * schema keyword `discriminator` and not by a plain union, because a validator fills no defaults into the latter.
 */
import Type from 'typebox';
import { isAggregable } from '../wire/mcp/names.ts';
import { child } from '../wire/pointer.ts';
import { callUsd, modelPrice, priceFaults } from '../wire/price.ts';
import { keyFaults } from './keys.ts';
import { providerFaults } from './provider-faults.ts';
import { httpTarget, mcpTarget, modelTarget, type TargetConfig, wordPattern } from './target.ts';

const binding = Type.Optional(
  Type.Enum(['none', 'any', 'mtls', 'dpop'], {
    description:
      'Task tokens must belong to a key to be used here: by client certificate (`mtls`), by DPoP proof (`dpop`), or by `any` of them. What routes, operations, effects and issuers ask for counts together. Default: none.',
  }),
);

const labels = {
  reads: Type.Optional(
    Type.Array(Type.Enum(['untrusted', 'private']), {
      maxItems: 2,
      uniqueItems: true,
      description:
        'What a task catches by calling it: `untrusted`, where anybody may have written the answer, `private`, where not everybody may see it. An empty list is neither. Default: [untrusted].',
    }),
  ),
  sends: Type.Optional(
    Type.Enum(['inside', 'outside'], {
      description: 'Whether what is sent stays in the trust domain or leaves it. Default: outside.',
    }),
  ),
};

const modelOperationSettings = Type.Object(
  {
    ...labels,
    keeps_unasked: Type.Optional(
      Type.Boolean({
        description:
          'Of `responses` alone: whether the provider may keep a response where the client does not say, as some SDKs rely on. The policy is asked for it as `field:store`. Default: false, and the gate has nothing kept.',
      }),
    ),
    remembers: Type.Optional(
      Type.Boolean({
        description:
          'Of `responses` alone: whether the gate itself remembers, for the task alone and until it ends, responses that a client takes for kept because it left `store` out, and puts them in the place of `previous_response_id` and of item ids. They lie sealed in the store (a shared one needs keys.secret): at most 512 KiB a response, 4 MiB and 128 responses a task, the newest. Default: true. With `keeps_unasked` the provider keeps them, and the gate does not.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'What is read from the model, whether its provider is of the trust domain, and what that may keep.',
  },
);

const operationSettings = Type.Object(
  {
    effect: Type.Optional(
      Type.Enum(['read', 'write', 'delete'], {
        description: 'What the operation does, where the method does not say it rightly.',
      }),
    ),
    remember: Type.Array(Type.String({ pattern: '^[^.]+(\\.[^.]+)*$' }), {
      default: [],
      maxItems: 16,
      description: 'Arguments that become facts of the task, as dotted paths: body.amount_cents, path.order_id.',
    }),
    call_usd: Type.Optional(callUsd),
    binding,
    ...labels,
  },
  { additionalProperties: false, description: 'What the document of the route does not say of an operation.' },
);

const select = Type.Enum(['weight'], {
  default: 'weight',
  description: 'How the target of a call is chosen: at random, by weight.',
});
const several = { minItems: 1, maxItems: 64, description: 'The places that serve the route.' };

const modelRoute = Type.Object(
  {
    name: Type.String({
      pattern: '^[a-z0-9_-][a-z0-9_.-]*$',
      maxLength: 64,
      description: 'What agents give as `model`, and policies name; it may have dots.',
    }),
    kind: Type.Literal('model'),
    select,
    binding,
    operations: Type.Optional(
      Type.Record(Type.String(), modelOperationSettings, {
        description: 'Settings of single operations, by their name without that of the route: `chat`.',
      }),
    ),
    price: Type.Optional(
      Type.Object(modelPrice.properties, {
        additionalProperties: false,
        description:
          'What the model costs at targets that have no price of their own; left out: what budget.prices says, else the open price list.',
      }),
    ),
    targets: Type.Array(modelTarget, several),
  },
  { additionalProperties: false, description: 'A model.' },
);

const result = Type.Optional(
  Type.Object(
    {
      max_bytes: Type.Optional(
        Type.Integer({
          minimum: 1_024,
          maximum: 67_108_864,
          description:
            'What is longer than this goes out in pages: JSON without a part of its longest list or text, text cut at a line. The rest is kept for the task, sealed, for at most 15 minutes and 4 MiB, and read by `GET /tasks/{id}/results/{cursor}`. Bytes that are no text are refused beyond it. Left out: no such bound.',
        }),
      ),
      html: Type.Optional(
        Type.Literal('text', {
          description:
            'Pages in HTML become plain text with their links, without scripts, styles, comments and what a reader of the page would not see. Left out: they stay as they are.',
        }),
      ),
    },
    { additionalProperties: false, description: 'What becomes of results before they reach the agent.' },
  ),
);

const httpRoute = Type.Object(
  {
    name: Type.String({
      pattern: wordPattern,
      maxLength: 64,
      description: 'What agents call under /tools/, and policies name.',
    }),
    kind: Type.Literal('http'),
    select,
    binding,
    targets: Type.Array(httpTarget, several),
    openapi: Type.String({
      minLength: 1,
      description:
        'The OpenAPI document, 3.0 or 3.1, in YAML or JSON: a path relative to this file, or a URL (https, or http on loopback), read at the start and on a reload. Of a URL the last good copy is kept in data_dir, for a start without the network.',
    }),
    openapi_hosts: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        maxItems: 16,
        description:
          'Hosts (`schemas.example.com`, `https://schemas.example.com:8443`) that `$ref`s of the document may lead to, besides its own. Files they may lead to lie below the folder of this file or of the document.',
      }),
    ),
    operations: Type.Record(Type.String(), operationSettings, {
      default: {},
      description: 'Settings of single operations, by operationId.',
    }),
    result,
    responses: Type.Enum(['off', 'observe', 'enforce'], {
      default: 'off',
      description:
        'Whether answers that are well (2xx) must fit what the document says of them: `enforce` refuses others (`upstream_error`), `observe` tells of them in the log and the metrics.',
    }),
  },
  { additionalProperties: false, description: 'An HTTP service.' },
);

const mcpRoute = Type.Object(
  {
    name: Type.String({
      pattern: wordPattern,
      maxLength: 64,
      description:
        'What agents call under /mcp/, and policies name. It may not hold `__`, which separates it from a tool.',
    }),
    kind: Type.Literal('mcp'),
    select,
    binding,
    targets: Type.Array(mcpTarget, several),
    operations: Type.Record(Type.String(), operationSettings, {
      default: {},
      description:
        'Settings of single tools, by their name, and of methods such as `resources/read`. The effect of a tool that is not named here is `delete`, whatever its server says of it.',
    }),
    result,
    tools: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'The definitions of tools that hold, as a server lists them ({tools: [...]}); a path relative to this file. Left out: the first ones seen.',
      }),
    ),
    drift: Type.Enum(['block', 'flag'], {
      default: 'block',
      description:
        'What becomes of a tool whose definition is not the one that was first seen, or configured: it is denied (`tool_drifted`), or the policy is told (`call.drifted`), until an operator accepts the new one.',
    }),
    hidden_instructions: Type.Enum(['strip', 'block', 'flag'], {
      default: 'strip',
      description:
        'What becomes of what looks like instructions to the model in the description of a tool: it is taken out, the tool is not offered, or it is only told.',
    }),
    refresh_seconds: Type.Integer({
      default: 300,
      minimum: 1,
      maximum: 86_400,
      description: 'How often the server is asked anew what it offers; also whenever it says that this has changed.',
    }),
  },
  { additionalProperties: false, description: 'An MCP server.' },
);

/** `openapi` and `price` are named so that a reader may ask for them without asking for the kind first. */
export type ModelRouteConfig = Type.Static<typeof modelRoute> & { readonly openapi?: never };
export type HttpRouteConfig = Type.Static<typeof httpRoute> & { readonly price?: never };
export type McpRouteConfig = Type.Static<typeof mcpRoute> & { readonly openapi?: never; readonly price?: never };
export type RouteConfig = ModelRouteConfig | HttpRouteConfig | McpRouteConfig;

const route = Type.Unsafe<RouteConfig>({
  type: 'object',
  required: ['kind'],
  discriminator: { propertyName: 'kind' },
  oneOf: [modelRoute, httpRoute, mcpRoute],
  description: 'A named destination; its kind says what it holds.',
});

export const routesSection = Type.Array(route, {
  default: [],
  maxItems: 1_000,
  description: 'The routing table: everything an agent can reach.',
});

export type RoutesConfig = Type.Static<typeof routesSection>;

/** A fault of the table; `pointer` is a JSON pointer into tollgate.yaml. */
export interface RouteFault {
  readonly pointer: string;
  readonly message: string;
}

/**
 * What the schema cannot say: names are unique, credentials exist, URLs can be read, money has six decimals at most.
 * `credentials` is that section, or anything else with its names as keys.
 */
export function checkRoutes(config: RoutesConfig, credentials: Readonly<Record<string, unknown>>): RouteFault[] {
  const faults = repeated(config).map((index) => ({
    pointer: `/routes/${index}/name`,
    message: `expected a name no other route has, found ${config[index]?.name} again`,
  }));
  for (const [index, { name, kind, targets, price, operations = {} }] of config.entries()) {
    if (kind !== 'model' && !isAggregable(name)) {
      const message = `expected a name without __ that does not end in _: ${name}__tool would not say where the tool begins`;
      faults.push({ pointer: `/routes/${index}/name`, message });
    }
    const at = `/routes/${index}/targets`;
    faults.push(...priceFaults(price ?? {}, `/routes/${index}/price`));
    for (const [name, settings] of Object.entries(operations)) {
      const callPrice =
        'call_usd' in settings && settings.call_usd !== undefined ? { call_usd: settings.call_usd } : {};
      faults.push(...priceFaults(callPrice, child(`/routes/${index}/operations`, name)));
    }
    for (const target of repeated(targets)) {
      const message = `expected a name no other target of this route has, found ${targets[target]?.name} again`;
      faults.push({ pointer: `${at}/${target}/name`, message });
    }
    for (const [place, target] of targets.entries())
      faults.push(...targetFaults(target, `${at}/${place}`, credentials));
  }
  return faults;
}

function targetFaults(target: TargetConfig, at: string, credentials: Readonly<Record<string, unknown>>): RouteFault[] {
  const faults: RouteFault[] = [];
  const { price, url } = target;
  const isProgram = 'command' in target && target.command !== undefined;
  if (url === undefined && !isProgram) {
    faults.push({ pointer: `${at}/url`, message: 'expected the URL of the server, or a command that starts it' });
  } else if (url !== undefined && isProgram) {
    faults.push({ pointer: `${at}/command`, message: 'expected either url or command, found both' });
  } else if (url !== undefined && !URL.canParse(url)) {
    faults.push({ pointer: `${at}/url`, message: 'expected an absolute http or https URL' });
  }
  if ('provider' in target) faults.push(...providerFaults(target, at));
  return [...faults, ...keyFaults(target, at, credentials), ...priceFaults(price ?? {}, `${at}/price`)];
}

/** The places of rows whose name stands earlier too. */
function repeated(rows: readonly { readonly name: string }[]): number[] {
  const seen = new Set<string>();
  return rows.flatMap(({ name }, index) => {
    if (seen.has(name)) return [index];
    seen.add(name);
    return [];
  });
}
