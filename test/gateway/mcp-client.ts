/** A client of MCP that does what a test says and nothing by itself, in either era. */

export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

export interface RpcReply {
  readonly status: number;
  readonly headers: Headers;
  readonly result: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
  /** What came before the response. */
  readonly told: readonly RpcMessage[];
}

export interface RpcMessage {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: RpcReply['error'];
}

export interface Event {
  readonly id: string | undefined;
  readonly data: string;
}

export class McpClient {
  readonly url: string;
  readonly token: string;
  session: string | undefined;
  version: string | undefined;
  #id = 0;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  post(message: unknown, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    return fetch(this.url, {
      method: 'POST',
      body: JSON.stringify(message),
      headers: {
        ...{ authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
        accept: 'application/json, text/event-stream',
        ...this.#own(),
        ...headers,
      },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** A request of 2026-07-28. */
  async modern(
    method: string,
    params: Record<string, unknown> = {},
    capabilities: object = {},
    headers: Record<string, string> = {},
  ): Promise<RpcReply> {
    const [message, own] = this.#modern(method, params, capabilities);
    return read(await this.post(message, { ...own, ...headers }));
  }

  /** The same, whose answer is a stream that is read message by message. */
  async open(method: string, params: Record<string, unknown>): Promise<OpenStream> {
    return openStream(await this.post(...this.#modern(method, params, {})));
  }

  /** A request in a session, whose answer is a stream that is read message by message. */
  async begin(method: string, params: Record<string, unknown>): Promise<OpenStream> {
    return openStream(await this.post({ jsonrpc: '2.0', id: ++this.#id, method, params }, {}));
  }

  async initialize(version: string, capabilities: object = {}): Promise<RpcReply> {
    const params = { protocolVersion: version, capabilities, clientInfo: { name: 'test', version: '1' } };
    const answer = await this.request('initialize', params);
    this.session = answer.headers.get('mcp-session-id') ?? undefined;
    this.version = version;
    await this.notify('notifications/initialized');
    return answer;
  }

  async request(
    method: string,
    params: Record<string, unknown> = {},
    id: number = ++this.#id,
    signal?: AbortSignal,
  ): Promise<RpcReply> {
    return read(await this.post({ jsonrpc: '2.0', id, method, params }, {}, signal));
  }

  notify(method: string, params: Record<string, unknown> = {}): Promise<Response> {
    return this.post({ jsonrpc: '2.0', method, params }, {});
  }

  /** A request whose whole answer is a stream. */
  async stream(
    method: string,
    params: Record<string, unknown>,
  ): Promise<{ readonly headers: Headers; readonly list: readonly Event[] }> {
    const response = await this.post({ jsonrpc: '2.0', id: ++this.#id, method, params }, {});
    return { headers: response.headers, list: await Array.fromAsync(eventsOf(response)) };
  }

  get(lastEventId?: string, signal?: AbortSignal): Promise<Response> {
    return fetch(this.url, {
      headers: {
        ...{ authorization: `Bearer ${this.token}`, accept: 'text/event-stream' },
        ...this.#own(),
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async resume(lastEventId: string): Promise<Event[]> {
    return Array.fromAsync(eventsOf(await this.get(lastEventId)));
  }

  end(): Promise<Response> {
    return fetch(this.url, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${this.token}`, ...this.#own() },
    });
  }

  #own(): Record<string, string> {
    return {
      ...(this.session === undefined ? {} : { 'mcp-session-id': this.session }),
      ...(this.version === undefined || this.version < '2025-06-18' ? {} : { 'mcp-protocol-version': this.version }),
    };
  }

  #modern(
    method: string,
    params: Record<string, unknown>,
    capabilities: object,
  ): [message: unknown, headers: Record<string, string>] {
    const name = params.name ?? params.uri;
    const _meta = {
      ...modernMeta,
      'io.modelcontextprotocol/clientCapabilities': capabilities,
      ...(params._meta as object | undefined),
    };
    const headers = {
      ...{ 'mcp-protocol-version': '2026-07-28', 'mcp-method': method },
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    };
    return [{ jsonrpc: '2.0', id: ++this.#id, method, params: { ...params, _meta } }, headers];
  }
}

export interface OpenStream {
  readonly status: number;
  /** Undefined at its end. */
  next(): Promise<RpcMessage | undefined>;
  /** Of the last event that had one. */
  lastId(): string | undefined;
}

function openStream(response: Response): OpenStream {
  const events = eventsOf(response);
  let last: string | undefined;
  return {
    status: response.status,
    lastId: () => last,
    next: async () => {
      for (;;) {
        const { value } = await events.next();
        if (value === undefined) return undefined;
        last = value.id ?? last;
        if (value.data !== '') return JSON.parse(value.data) as RpcMessage;
      }
    },
  };
}

/** The answer to a request, as a document or as the last event of a stream. */
export async function read(response: Response): Promise<RpcReply> {
  const { status, headers } = response;
  const isStream = headers.get('content-type') === 'text/event-stream';
  const events = isStream ? await Array.fromAsync(eventsOf(response)) : [];
  const texts = isStream ? events.filter(({ data }) => data !== '').map(({ data }) => data) : [await response.text()];
  const messages = texts.filter((text) => text !== '').map((text) => JSON.parse(text) as RpcMessage);
  const last = messages.at(-1) ?? {};
  return {
    ...{ status, headers, result: last.result ?? {}, told: messages.slice(0, -1) },
    ...(last.error === undefined ? {} : { error: last.error }),
  };
}

async function* eventsOf(response: Response): AsyncGenerator<Event> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() as string;
    for (const block of blocks) {
      const lines = block.split('\n');
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field('data');
      if (data !== undefined) yield { id: field('id'), data };
    }
  }
}
