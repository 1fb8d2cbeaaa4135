/**
 * The tables of fields against the types of the installed SDK: every parameter, block, source, tool and beta feature that
 * it knows has a class. The types are read as text, so that a new version of the SDK alone can turn this red.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { betaFields } from '../../../../src/wire/dialects/anthropic/betas.ts';
import {
  blockFields,
  editFields,
  furtherToolMembers,
  messageFields,
  messagesFieldsAsOf,
  nestingMembers,
  type ObjectField,
  requestFields,
  sourceFields,
  toolFields,
  toolMembers,
} from '../../../../src/wire/dialects/anthropic/fields.ts';

const require = createRequire(import.meta.url);
const typesOf = (file: string) =>
  readFileSync(require.resolve(`@anthropic-ai/sdk/resources/${file}.js`).replace(/\.js$/, '.d.ts'), 'utf8').replaceAll(
    /\/\*\*[\s\S]*?\*\//g,
    '',
  );

/** The types of one page of the SDK: interfaces with what stands behind each member, and aliases. */
class Types {
  readonly #interfaces = new Map<string, ReadonlyMap<string, string>>();
  readonly #aliases = new Map<string, string>();

  constructor(source: string) {
    for (const [, name = '', body = ''] of source.matchAll(/^export interface (\w+)[^{]*\{\n([\s\S]*?)^\}/gm)) {
      // A member may be an object of its own, over several lines.
      const parts = body.split(/^ {4}(?=\w+\??: )/m).map((part) => /^(\w+)\??: ([\s\S]*)$/.exec(part));
      const members = parts.flatMap((part) => (part === null ? [] : [part]));
      this.#interfaces.set(name, new Map(members.map(([, member = '', type = '']) => [member, type])));
    }
    for (const [, name = '', type = ''] of source.matchAll(/^export type (\w+) = ([^;]*);/gm)) {
      this.#aliases.set(name, type);
    }
  }

  members(name: string): ReadonlyMap<string, string> {
    const members = this.#interfaces.get(name);
    assert.ok(members !== undefined, `${name} is an interface of the SDK`);
    return members;
  }

  /** The interfaces that `type` names, by way of aliases too. */
  named(type: string): readonly string[] {
    const names = type.replaceAll(/'[^']*'/g, '').match(/\b[A-Z]\w+/g) ?? [];
    return names.flatMap((name) => {
      if (this.#interfaces.has(name)) return [name];
      return this.#aliases.has(name) ? this.named(this.#aliases.get(name) ?? '') : [];
    });
  }

  /** The words that the member `type` of an interface may be. */
  words(name: string): readonly string[] {
    return [...(this.members(name).get('type') ?? '').matchAll(/'([^']+)'/g)].map(([, word = '']) => word);
  }
}

const stable = new Types(typesOf('messages/messages'));
const beta = new Types(typesOf('beta/messages/messages'));
const pages = [
  ['stable', stable, ''],
  ['beta', beta, 'Beta'],
] as const;

function assertRow(row: ObjectField | undefined, what: string, members: Iterable<string>): void {
  assert.ok(row !== undefined, `${what} has no class`);
  if (row.members === undefined) return;
  for (const member of members) assert.ok(row.members.includes(member), `${what}.${member} has no class`);
}

for (const [page, types, prefix] of pages) {
  describe(`the ${page} types of the SDK`, () => {
    test('[wire.fields-classed] every parameter of a request is classed, and what it is made of', () => {
      for (const params of ['MessageCreateParamsBase', 'MessageCountTokensParams']) {
        const members = types.members(params);
        assert.ok(members.size >= 11, 'the members were found');
        for (const [name, type] of members) {
          const inner = types.named(type).flatMap((one) => [...types.members(one).keys()]);
          const looksInto = requestFields[name]?.members !== undefined;
          assertRow(Object.hasOwn(requestFields, name) ? requestFields[name] : undefined, name, looksInto ? inner : []);
          if (looksInto) assert.ok(inner.length > 0, `what ${name} is made of was found`);
        }
      }
    });

    test('every member of a message is classed, and every block in it, at any depth', () => {
      const roots = types.named(`${prefix}MessageParam`);
      assert.equal(roots.length, 3);
      const todo: string[] = [];
      for (const root of roots) {
        for (const [name, type] of types.members(root)) {
          const inner = types.named(type).flatMap((one) => [...types.members(one).keys()]);
          assertRow(messageFields[name], name, name === 'content' ? [] : inner);
          if (name === 'content') todo.push(...types.named(type));
        }
      }
      const seen = new Set<string>();
      for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
        if (seen.has(name)) continue;
        seen.add(name);
        const members = types.members(name);
        for (const word of types.words(name)) assertRow(blockFields[word], `${name} ${word}`, members.keys());
        assert.ok(types.words(name).length > 0, `${name} has a type`);
        for (const [member, type] of members) {
          if (nestingMembers.has(member)) todo.push(...types.named(type));
          if (member !== 'source') continue;
          for (const source of types.named(type)) {
            for (const word of types.words(source)) {
              assertRow(sourceFields[word], `${source} ${word}`, types.members(source).keys());
            }
            todo.push(...types.named(types.members(source).get('content') ?? ''));
          }
        }
      }
      assert.ok(seen.size > 30, `${seen.size} blocks were found`);
    });

    test('every tool is classed, and every member of its definition', () => {
      const tools = types.named(`${prefix}ToolUnion`);
      assert.ok(tools.length > 18, 'the tools were found');
      for (const tool of tools) {
        for (const word of types.words(tool)) {
          assert.ok(Object.hasOwn(toolFields, word), `${tool} ${word} has no class`);
          const further = Object.entries(furtherToolMembers).filter(([beginning]) => word.startsWith(beginning));
          const known = [...toolMembers, ...further.flatMap(([, members]) => members.split(' '))];
          for (const member of types.members(tool).keys()) {
            assert.ok(known.includes(member), `${tool}.${member} has no class`);
          }
        }
      }
    });
  });
}

test('every change of the conversation before it is read is classed', () => {
  const edits = beta.named(beta.members('BetaContextManagementConfig').get('edits') ?? '');
  assert.equal(edits.length, 3);
  for (const edit of edits) {
    for (const word of beta.words(edit)) assertRow(editFields[word], word, beta.members(edit).keys());
  }
});

test('[wire.fields-classed] every beta feature is classed', () => {
  const source = typesOf('beta/beta');
  const list = /export type AnthropicBeta = ([^;]*);/.exec(source)?.[1] ?? '';
  const names = [...list.matchAll(/'([^']+)'/g)].map(([, name = '']) => name);
  assert.ok(names.length > 40, 'the features were found');
  assert.deepEqual(
    names.filter((name) => !Object.hasOwn(betaFields, name)),
    [],
  );
  assert.match(messagesFieldsAsOf, /^\d{4}-\d\d-\d\d$/);
});
