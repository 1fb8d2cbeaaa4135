/**
 * The tables of fields of responses and embeddings against the types of the installed SDK. These are read as text, so that
 * a new version of it alone can turn this red.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { embeddingsFields, embeddingsFieldsAsOf } from '../../../../src/wire/dialects/openai/embeddings/fields.ts';
import {
  itemFields,
  partFields,
  requestFields,
  responsesFieldsAsOf,
  toolFields,
} from '../../../../src/wire/dialects/openai/responses/fields.ts';
import type { ObjectField } from '../../../../src/wire/field-class.ts';

const require = createRequire(import.meta.url);
const typesOf = (file: string) =>
  readFileSync(require.resolve(`openai/resources/${file}.js`).replace(/\.js$/, '.d.ts'), 'utf8').replaceAll(
    /\/\*\*[\s\S]*?\*\//g,
    '',
  );

/** The interfaces of one page of the SDK by their names, those of a namespace as `Namespace.Name`. */
class Types {
  readonly #interfaces = new Map<string, ReadonlyMap<string, string>>();
  readonly #aliases = new Map<string, string>();

  constructor(source: string) {
    let namespace: string[] = [];
    let open: { name: string; indent: number; body: string[] } | null = null;
    for (const line of source.split('\n')) {
      const indent = line.search(/\S/);
      if (open !== null) {
        if (indent === open.indent && line.trim() === '}') {
          this.#interfaces.set(open.name, membersOf(open.body, open.indent + 4));
          open = null;
        } else open.body.push(line);
        continue;
      }
      const space = /^ *(?:export declare )?namespace (\w+)/.exec(line);
      const start = /^ *(?:export )?interface (\w+)[^{]*\{(\})?$/.exec(line);
      const alias = /^export type (\w+) = (.*);$/.exec(line);
      const within = namespace.slice(0, Math.max(0, indent) / 4);
      if (space !== null) namespace = [...within, space[1] ?? ''];
      else if (alias !== null) this.#aliases.set(alias[1] ?? '', alias[2] ?? '');
      else if (start !== null) open = { name: [...within, start[1]].join('.'), indent, body: [] };
    }
  }

  members(name: string): ReadonlyMap<string, string> {
    const members = this.#interfaces.get(name);
    assert.ok(members !== undefined, `${name} is an interface of the SDK`);
    return members;
  }

  /** The interfaces that `type` names, by way of aliases too; `within` is the namespace it is written in. */
  named(type: string, within = ''): readonly string[] {
    const names =
      type
        .replaceAll(/'[^']*'/g, '')
        .replaceAll(/\b(?:ResponsesAPI|Shared)\./g, '')
        .match(/\b[A-Z][\w.]+/g) ?? [];
    return names.flatMap((name) => {
      const inside = `${within}.${name}`;
      if (this.#interfaces.has(inside)) return [inside];
      if (this.#interfaces.has(name)) return [name];
      return this.#aliases.has(name) ? this.named(this.#aliases.get(name) ?? '') : [];
    });
  }

  /** The words that the member `type` of an interface may be. */
  words(name: string): readonly string[] {
    return [...(this.members(name).get('type') ?? '').matchAll(/'([^']+)'/g)].map(([, word = '']) => word);
  }
}

function membersOf(body: readonly string[], indent: number): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  for (const line of body) {
    const member = new RegExp(`^ {${indent}}(\\w+)\\??: (.*)$`).exec(line);
    if (member !== null) members.set(member[1] ?? '', member[2] ?? '');
  }
  return members;
}

function assertRow(row: ObjectField | undefined, what: string, members: Iterable<string>): void {
  assert.ok(row !== undefined, `${what} has no class`);
  if (row.members === undefined) return;
  for (const member of members) assert.ok(row.members.includes(member), `${what}.${member} has no class`);
}

describe('the tables of responses and embeddings', () => {
  const types = new Types(typesOf('responses/responses'));

  test('[wire.fields-classed] every parameter of the SDK is classed, and what it is made of', () => {
    const members = types.members('ResponseCreateParamsBase');
    assert.ok(members.size >= 30, 'the members were found');
    for (const [name, type] of members) {
      const row = Object.hasOwn(requestFields, name) ? requestFields[name] : undefined;
      const inner = row?.members === undefined ? [] : types.named(type, 'ResponseCreateParams');
      assertRow(
        row,
        name,
        inner.flatMap((one) => [...types.members(one).keys()]),
      );
    }
    const embeddings = new Types(typesOf('embeddings')).members('EmbeddingCreateParams');
    assert.ok(embeddings.size >= 5);
    for (const name of embeddings.keys()) assertRow(embeddingsFields[name], name, []);
  });

  test('every item of the input is classed, with its members and the parts in it, and every tool', () => {
    const items = types.named('ResponseInputItem');
    assert.ok(items.length >= 30, 'the items were found');
    for (const name of items) {
      const words = types.words(name);
      assert.ok(words.length > 0, `${name} has a type`);
      for (const word of words) assertRow(itemFields[word], `${name} ${word}`, types.members(name).keys());
      for (const member of ['content', 'summary']) {
        for (const part of types.named(types.members(name).get(member) ?? '', name)) {
          for (const word of types.words(part))
            assertRow(partFields[word], `${part} ${word}`, types.members(part).keys());
        }
      }
    }
    const tools = types.named('Tool');
    assert.ok(tools.length >= 16, 'the tools were found');
    for (const name of tools) {
      for (const word of types.words(name)) assertRow(toolFields[word], `${name} ${word}`, types.members(name).keys());
    }
  });

  test('the tables say when they were compared', () => {
    for (const date of [responsesFieldsAsOf, embeddingsFieldsAsOf]) assert.match(date, /^20\d\d-\d\d-\d\d$/);
  });
});
