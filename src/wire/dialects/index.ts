/** The wire formats that agents speak, one line each. No two read one request, so the order says nothing. */
import type { Dialect, OperationSource } from '../dialect.ts';
import { modelRoutes } from '../model-routes.ts';
import { anthropic } from './anthropic.ts';
import { http, httpTools } from './http.ts';
import { mcp, mcpTools } from './mcp.ts';
import { openai, openaiResponses } from './openai.ts';

export const dialects: readonly Dialect[] = [openai, openaiResponses, anthropic, http, mcp];

/** What the routes of each kind can be called for. */
export const operationSources: readonly OperationSource[] = [modelRoutes, httpTools, mcpTools];
