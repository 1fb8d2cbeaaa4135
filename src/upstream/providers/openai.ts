/** OpenAI, and every server with its API: vLLM, Ollama, llama.cpp, LiteLLM, OpenRouter, … at another URL. */
import { asItIs, type Provider } from './provider.ts';

export const openai: Provider = { name: 'openai', ...asItIs };
