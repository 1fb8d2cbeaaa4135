/**
 * What both reference servers offer, in the shape that every version of MCP has: the tools, resources and prompts that the
 * scenarios of the conformance suite name, with the answers they ask for, and a few of our own that a client waits for,
 * breaks off, or calls with arguments. A tool that asks its client something is in the server of its version.
 */
export const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const wav = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA==';

export type Schema = Readonly<Record<string, unknown>>;
export type Args = Readonly<Record<string, unknown>>;

export interface ToolResult {
  readonly content: readonly Readonly<Record<string, unknown>>[];
  readonly isError?: boolean;
  readonly structuredContent?: Readonly<Record<string, unknown>>;
}

/** What a tool can do while it runs, whatever version its caller speaks. */
export interface Host {
  readonly signal: AbortSignal;
  /** Tells the caller a line of the log. */
  readonly log: (data: string) => Promise<void>;
  /** Tells the caller how far it is; nothing where it did not ask for that. */
  readonly progress: (progress: number) => Promise<void>;
  /** Ends the stream of the answer before the answer, where the version has streams that can be taken up again. */
  readonly breakStream: () => void;
  /** Changes a list of what there is, and says so. */
  readonly change: (list: ChangingList) => void;
}

/** What comes and goes: `added` of each list is there, or not. */
export type ChangingList = 'tools' | 'prompts';
export class Changes {
  readonly added: Record<ChangingList, boolean> = { tools: false, prompts: false };

  change(list: ChangingList): void {
    this.added[list] = !this.added[list];
  }
}

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Schema;
  readonly outputSchema?: Schema;
  readonly call: (args: Args, host: Host) => ToolResult | Promise<ToolResult>;
}

export const text = (said: string): ToolResult => ({ content: [{ type: 'text', text: said }] });
export const noArguments: Schema = { type: 'object', properties: {} };
export const one = (name: string, of: Schema = { type: 'string' }): Schema => ({
  ...{ type: 'object', properties: { [name]: of }, required: [name] },
});

const pause = (ms: number): Promise<void> => new Promise((resume) => setTimeout(resume, ms));
const image = { type: 'image', data: png, mimeType: 'image/png' };
const embedded = (uri: string, mimeType: string, said: string) => ({
  ...{ type: 'resource', resource: { uri, mimeType, text: said } },
});

/** Every keyword that a listing must not lose. */
const everyKeyword: Schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // Written out, an object with such a member could be taken for a promise.
  ...Object.fromEntries([['then', { required: ['phone'] }]]),
  else: { required: ['email'] },
  additionalProperties: false,
};

const weather: Schema = {
  type: 'object',
  properties: { city: { type: 'string' }, degrees: { type: 'number' } },
  required: ['city', 'degrees'],
};

/** The tools that there always are. `broken` is told of every call that its caller has broken off. */
export function tools(broken: (name: string) => void): readonly Tool[] {
  const plain = (name: string, description: string, call: Tool['call']): Tool => ({
    ...{ name, description, inputSchema: noArguments, call },
  });
  return [
    plain('test_simple_text', 'Says one line.', () => text('This is a simple text response for testing.')),
    plain('test_image_content', 'Shows an image.', () => ({ content: [image] })),
    plain('test_audio_content', 'Plays a sound.', () => ({
      content: [{ type: 'audio', data: wav, mimeType: 'audio/wav' }],
    })),
    plain('test_embedded_resource', 'Hands out a resource.', () => ({
      content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
    })),
    plain('test_multiple_content_types', 'Shows several kinds of content.', () => ({
      content: [
        { type: 'text', text: 'Multiple content types test:' },
        image,
        embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
      ],
    })),
    plain('test_error_handling', 'Always fails.', () => ({
      ...text('This tool intentionally returns an error for testing'),
      isError: true,
    })),
    plain('test_tool_with_logging', 'Writes to the log while it works.', async (_args, { log }) => {
      await log('Tool execution started');
      await pause(50);
      await log('Tool processing data');
      await pause(50);
      await log('Tool execution completed');
      return text('It has written three lines.');
    }),
    plain('test_logging_tool', 'Writes one line to the log.', async (_args, { log }) => {
      await log('One line');
      return text('It has written a line.');
    }),
    plain('test_tool_with_progress', 'Tells how far it is.', async (_args, { progress }) => {
      for (const at of [0, 50, 100]) {
        await progress(at);
        await pause(50);
      }
      return text('It has come to its end.');
    }),
    plain('test_reconnection', 'Ends the stream before its answer.', async (_args, { log, breakStream }) => {
      await log('The stream ends.');
      breakStream();
      await pause(100);
      return text('It has been taken up again.');
    }),
    plain('test_trigger_tool_change', 'Changes the list of tools.', (_args, { change }) => {
      change('tools');
      return text('It has changed.');
    }),
    plain('test_trigger_prompt_change', 'Changes the list of prompts.', (_args, { change }) => {
      change('prompts');
      return text('It has changed.');
    }),
    plain('wait_until_cancelled', 'Never ends by itself.', async (_args, { signal, progress }) => {
      await progress(0);
      await new Promise<void>((resume) => {
        if (signal.aborted) resume();
        else signal.addEventListener('abort', () => resume(), { once: true });
      });
      broken('wait_until_cancelled');
      return text('It was broken off.');
    }),
    {
      name: 'weather_in',
      description: 'Tells the temperature in a city.',
      inputSchema: {
        ...{ type: 'object', additionalProperties: false, required: ['city'] },
        properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
      },
      outputSchema: weather,
      call: ({ city }) => {
        const structuredContent = { city, degrees: 11 };
        return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
      },
    },
    {
      name: 'notes_of',
      description: 'What is noted of a customer.',
      inputSchema: one('customer_id'),
      call: ({ customer_id }) => text(`Nothing is noted of ${String(customer_id)}.`),
    },
    {
      name: 'json_schema_2020_12_tool',
      description: 'Has every keyword of JSON Schema 2020-12 in what it takes.',
      inputSchema: everyKeyword,
      call: (args) => text(`It was given ${JSON.stringify(args)}.`),
    },
  ];
}

/** The tool that comes and goes. */
export const addedTool: Tool = {
  ...{ name: 'test_added_tool', description: 'Was not there before.', inputSchema: noArguments },
  call: () => text('It is there now.'),
};

export interface Resource {
  readonly uri: string;
  readonly name: string;
  readonly description: string;
  readonly mimeType: string;
  readonly content: { readonly text: string } | { readonly blob: string };
}

export const resources: readonly Resource[] = [
  {
    ...{ uri: 'test://static-text', name: 'static-text', description: 'A line of text', mimeType: 'text/plain' },
    content: { text: 'This is the content of the static text resource.' },
  },
  {
    ...{ uri: 'test://static-binary', name: 'static-binary', description: 'An image', mimeType: 'image/png' },
    content: { blob: png },
  },
  {
    ...{ uri: 'test://watched-resource', name: 'watched', description: 'What one may watch', mimeType: 'text/plain' },
    content: { text: 'Watched resource content' },
  },
];

export const template = {
  uriTemplate: 'test://template/{id}/data',
  name: 'template',
  description: 'Data by its id',
  mimeType: 'application/json',
};

/** What is at `uri`, which the template makes of `id`. */
export function templated(uri: string, id: string) {
  const said = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
  return { uri, mimeType: template.mimeType, text: said };
}

export interface Prompt {
  readonly name: string;
  readonly description: string;
  /** What it takes, all of it required. */
  readonly takes: readonly string[];
  readonly messages: (args: Readonly<Record<string, string>>) => readonly Readonly<Record<string, unknown>>[];
}

const line = (said: string) => ({ type: 'text', text: said });

export const prompts: readonly Prompt[] = [
  {
    ...{ name: 'test_simple_prompt', description: 'One line', takes: [] },
    messages: () => [line('This is a simple prompt for testing.')],
  },
  {
    ...{ name: 'test_prompt_with_arguments', description: 'A line of two words', takes: ['arg1', 'arg2'] },
    messages: ({ arg1, arg2 }) => [line(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  },
  {
    ...{ name: 'test_prompt_with_embedded_resource', description: 'With a resource', takes: ['resourceUri'] },
    messages: ({ resourceUri = '' }) => [
      embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
      line('Please process the embedded resource above.'),
    ],
  },
  {
    ...{ name: 'test_prompt_with_image', description: 'With an image', takes: [] },
    messages: () => [image, line('Please analyze the image above.')],
  },
];

/** The prompt that comes and goes. */
export const addedPrompt: Prompt = {
  ...{ name: 'test_added_prompt', description: 'Was not there before', takes: [] },
  messages: () => [line('It is there now.')],
};

/** What an argument of a prompt may become, by how it begins. */
export const completed = (begun: string): string[] =>
  ['paris', 'park', 'party', 'test-1', 'test-2'].filter((value) => value.startsWith(begun));
