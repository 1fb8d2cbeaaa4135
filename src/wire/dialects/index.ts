/** The wire formats that agents speak, one line each. Their prefixes do not overlap, so the order says nothing. */
import type { Dialect, OperationSource } from '../dialect.ts';
import { http, httpTools } from './http.ts';
import { modelOperations, openai } from './openai.ts';

export const dialects: readonly Dialect[] = [openai, http];

/** What the routes of each kind can be called for. */
export const operationSources: readonly OperationSource[] = [modelOperations, httpTools];
