/**
 * A server of MCP over standard input and output, on the SDK: what the gate starts as a program. It says what it was
 * started with, asks its client, logs, waits, and falls over where it is told to.
 */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { CallToolRequestSchema, ElicitResultSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const server = new Server(
  { name: 'program', version: '1.0.0' },
  { capabilities: { tools: { listChanged: true }, logging: {} } },
);
const names = ['started_with', 'ask', 'wait', 'fall_over', 'change', 'progress'];

server.setRequestHandler(ListToolsRequestSchema, () => ({
  tools: names.map((name) => ({ name, description: `It can ${name}.`, inputSchema: { type: 'object' as const } })),
}));
server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
  const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] });
  switch (params.name) {
    case 'started_with':
      console.error('it was asked what it was started with');
      return text(
        JSON.stringify({ env: process.env, args: process.argv.slice(2), cwd: process.cwd(), pid: process.pid }),
      );
    case 'ask': {
      const requestedSchema = { type: 'object' as const, properties: { name: { type: 'string' as const } } };
      const asked = { method: 'elicitation/create' as const, params: { message: 'Who?', requestedSchema } };
      const { action } = await server.request(asked, ElicitResultSchema);
      return text(action);
    }
    case 'wait':
      await new Promise((done) => extra.signal.addEventListener('abort', done));
      console.error('it waits no more');
      return text('waited');
    case 'fall_over':
      return process.exit(3);
    case 'change':
      await server.sendToolListChanged();
      return text('changed');
    default: {
      const progressToken = params._meta?.progressToken ?? 'none';
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
      await server.sendLoggingMessage({ level: 'info', data: 'a line' });
      return text('done');
    }
  }
});
await server.connect(new StdioServerTransport());
