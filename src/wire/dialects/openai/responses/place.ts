/**
 * Where in a response the text of an event belongs: events say by their type and by indices which item is meant, which
 * part of it, and which of its texts.
 */
import type { JsonObject } from '../../../../call.ts';

/** One text of a response, as its events build it. */
export interface TextPlace {
  /** JSON pointer into the whole response. */
  readonly where: string;
  readonly reading: 'flow' | 'json';
  readonly kind: 'text' | 'reasoning' | 'call' | 'untold';
  /** The member of its `done` event that holds the whole text. */
  readonly wholeIn: string;
}

type Row = readonly [member: string, kind: TextPlace['kind'], wholeIn: string, reading?: 'json'];

/**
 * By the type of their events, without `response.` and without `.delta` or `.done`. `untold`: what is told whole as the
 * call that its item is.
 */
const rows: Readonly<Record<string, Row>> = {
  output_text: ['text', 'text', 'text'],
  refusal: ['refusal', 'text', 'refusal'],
  reasoning_text: ['text', 'reasoning', 'text'],
  reasoning_summary_text: ['text', 'reasoning', 'text'],
  'audio.transcript': ['transcript', 'text', 'transcript'],
  function_call_arguments: ['arguments', 'call', 'arguments', 'json'],
  custom_tool_call_input: ['input', 'call', 'input'],
  mcp_call_arguments: ['arguments', 'reasoning', 'arguments', 'json'],
  code_interpreter_call_code: ['code', 'reasoning', 'code'],
  shell_call_command: ['action/commands', 'untold', 'command'],
  apply_patch_call_operation_diff: ['operation/diff', 'untold', 'diff'],
};

const typed = /^response\.(.*)\.(?:delta|done|added)$/;

/** The text that an event of deltas, or of its end, is about; undefined where it is none that is known. */
export function textPlaceOf(said: JsonObject): TextPlace | undefined {
  const family = typed.exec(String(said.type))?.[1] ?? '';
  const row = Object.hasOwn(rows, family) ? rows[family] : undefined;
  if (row === undefined) return undefined;
  const [member, kind, wholeIn, reading = 'flow'] = row;
  const command = indexAt(said, 'command_index');
  const where = `${placeOf(said)}/${member}${command === null ? '' : `/${command}`}`;
  return { where, reading, kind, wholeIn };
}

/** Pointer to the item that an event is about, or to the part of it; empty where it says neither. */
export function placeOf(said: JsonObject): string {
  const item = indexAt(said, 'output_index');
  if (item === null) return '';
  const summary = indexAt(said, 'summary_index');
  // Which of the two counts, clients say by the type.
  const isSummary = summary !== null && String(said.type).startsWith('response.reasoning_summary');
  const content = isSummary ? null : indexAt(said, 'content_index');
  if (content !== null) return `/output/${item}/content/${content}`;
  return summary === null ? `/output/${item}` : `/output/${item}/summary/${summary}`;
}

const indices = ['output_index', 'content_index', 'summary_index', 'command_index'];

/** Whether an event says an index that is none: clients would find the text all the same, and the gate another place. */
export function isMisplaced(said: JsonObject): boolean {
  return indices.some((name) => (said[name] ?? null) !== null && indexAt(said, name) === null);
}

/** An index that an event says; null where it says none. */
export function indexAt(said: JsonObject, name: string): number | null {
  const index = said[name];
  return Number.isSafeInteger(index) && (index as number) >= 0 ? (index as number) : null;
}
