/**
 * The `$ref`s of OpenAPI documents, and what they can name: places (`#/components/…`), schemas with an `$id` or an
 * `$anchor`, other documents. Documents that belong together are joined into one, in which every `$ref` is a pointer,
 * so that whoever reads it follows pointers alone. Examples, defaults and extensions are data: a `$ref` there is text.
 */
import { child } from '../../pointer.ts';

/** A document with all that its references lead to, as they were read. Whoever makes one gives the values away. */
export class OpenApiDocuments {
  /** Absolute URI of the document itself. */
  readonly uri: string;
  /** All of them, the document itself included, by absolute URI without fragment. */
  readonly documents: ReadonlyMap<string, unknown>;
  readonly #digest: string;
  #joined: Joined | undefined;

  /** `digest` tells these documents from others. */
  constructor(uri: string, documents: ReadonlyMap<string, unknown>, digest: string) {
    this.uri = uri;
    this.documents = documents;
    this.#digest = digest;
  }

  /** As one; made once, of the values themselves. */
  *join(): Generator<void, Joined> {
    this.#joined ??= yield* joinedOf(this.uri, this.documents, true);
    return this.#joined;
  }

  /** What stands for them where configurations are compared: they are too large to be written out. */
  toJSON(): string {
    return this.#digest;
  }
}

/** A `$ref` as it stands in a document. */
export interface Reference {
  readonly holder: Record<string, unknown>;
  readonly ref: string;
  /** Of the holder, in its document. */
  readonly pointer: string;
  /** What it is relative to: the document's URI, or the `$id` around it. */
  readonly base: string;
}

/** What one document refers to, and what in it can be referred to. */
export interface References {
  readonly refs: readonly Reference[];
  /** Pointers of what has an `$id`, by absolute URI; the document itself is there as ''. */
  readonly resources: ReadonlyMap<string, string>;
  /** Pointers of anchors, by `{resource}#{anchor}`. */
  readonly anchors: ReadonlyMap<string, string>;
  /** What two places claim to be, or cannot be. */
  readonly faults: readonly { readonly pointer: string; readonly message: string }[];
}

/** Members that hold names chosen by the author, not words of the specification. */
const nameMaps = new Set([
  ...['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas', 'schemas', 'parameters'],
  ...[
    'responses',
    'requestBodies',
    'headers',
    'securitySchemes',
    'links',
    'callbacks',
    'pathItems',
    'paths',
    'content',
  ],
  ...['webhooks', 'encoding', 'variables', 'mapping'],
]);
const dataWords = new Set(['example', 'examples', 'default', 'enum', 'const', 'mapping', 'security']);

/** Where a document stands that nobody gave an address. */
const namelessUri = 'document:/openapi';
/** Where further documents stand in the joined one. */
const mount = '/x-documents';
/** Between two breaths. */
const nodesAtOnce = 4_000;

/** Walks over a whole document. Yields now and then, so that whoever drives it can let others work. */
export function* referencesOf(document: unknown, uri: string): Generator<void, References> {
  const refs: Reference[] = [];
  const resources = new Map([[uri, '']]);
  const anchors = new Map<string, string>();
  const faults: { pointer: string; message: string }[] = [];
  const seen = new Set<unknown>();
  const open: { value: object; pointer: string; base: string; names: boolean }[] = [];
  const enter = (value: unknown, pointer: string, base: string, names: boolean): void => {
    if (typeof value === 'object' && value !== null) open.push({ value, pointer, base, names });
  };
  enter(document, '', uri, false);
  for (let next = open.pop(), count = 1; next !== undefined; next = open.pop(), count++) {
    if (count % nodesAtOnce === 0) yield;
    const { value, pointer, names } = next;
    if (seen.has(value)) continue;
    seen.add(value);
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) enter(item, `${pointer}/${index}`, next.base, false);
      continue;
    }
    const holder = value as Record<string, unknown>;
    let { base } = next;
    if (!names && typeof holder.$id === 'string') {
      const id = absolute(holder.$id, base);
      if (id === undefined || id.includes('#') || resources.has(id)) {
        faults.push({ pointer, message: 'its $id is no URI, or that of another schema' });
      } else {
        resources.set(id, pointer);
        base = id;
      }
    }
    if (!names && typeof holder.$anchor === 'string') anchors.set(`${base}#${holder.$anchor}`, pointer);
    if (!names && typeof holder.$ref === 'string') refs.push({ holder, ref: holder.$ref, pointer, base });
    for (const [name, inner] of Object.entries(holder)) {
      if (!names && (dataWords.has(name) || name.startsWith('x-'))) continue;
      enter(inner, child(pointer, name), base, !names && nameMaps.has(name));
    }
  }
  return { refs, resources, anchors, faults };
}

/** `reference` as an absolute URI; undefined if it is none. A plain fragment stands for itself, whatever the base. */
export function absolute(reference: string, base: string): string | undefined {
  if (reference.startsWith('#')) return base + reference;
  return URL.canParse(reference, base) ? new URL(reference, base).href.replace(/#$/, '') : undefined;
}

/** An absolute URI without its fragment, and that fragment, percent-decoded; undefined if it is not UTF-8. */
export function splitFragment(uri: string): { readonly resource: string; readonly fragment: string } | undefined {
  const at = uri.indexOf('#');
  if (at === -1) return { resource: uri, fragment: '' };
  try {
    return { resource: uri.slice(0, at), fragment: decodeURIComponent(uri.slice(at + 1)) };
  } catch {
    return undefined;
  }
}

/** Documents joined into one. */
export interface Joined {
  readonly root: unknown;
  readonly faults: readonly { readonly pointer: string; readonly message: string }[];
  /** A pointer into the joined document as people know it: with the document it leads into. */
  readonly place: (pointer: string) => { readonly pointer: string; readonly document: string | null };
}

/**
 * Joins `source`, a parsed document or an OpenApiDocuments. A `$ref` to what is not among the documents is a fault: a
 * document by itself may not lead out of itself. A document without `$id`, `$anchor` and others is left as it is.
 */
export function* joined(source: unknown): Generator<void, Joined> {
  if (source instanceof OpenApiDocuments) return yield* source.join();
  return yield* joinedOf(namelessUri, new Map([[namelessUri, source]]), false);
}

function* joinedOf(uri: string, given: ReadonlyMap<string, unknown>, own: boolean): Generator<void, Joined> {
  const documents = new Map(given);
  let found = yield* allReferences(documents);
  const isPlain = documents.size === 1 && found.every(({ resources, anchors }) => resources.size + anchors.size === 1);
  if (!own && !isPlain) {
    // It is somebody else's: the references are rewritten in a copy.
    documents.set(uri, structuredClone(documents.get(uri)));
    found = yield* allReferences(documents);
  }
  const others = [...documents.keys()].filter((key) => key !== uri);
  const prefixOf = (document: string): string => (document === uri ? '' : `${mount}/${others.indexOf(document)}`);
  const faults: { pointer: string; message: string }[] = [];
  const resources = new Map<string, string>();
  const anchors = new Map<string, string>();
  for (const one of found) {
    const prefix = prefixOf(one.document);
    for (const [name, pointer] of one.resources) {
      if (!resources.has(name)) resources.set(name, prefix + pointer);
      else faults.push({ pointer: prefix + pointer, message: 'its $id is that of another schema' });
    }
    for (const [name, pointer] of one.anchors) anchors.set(name, prefix + pointer);
    for (const { pointer, message } of one.faults) faults.push({ pointer: prefix + pointer, message });
  }
  for (const { document, refs } of found) {
    for (const { holder, ref, pointer, base } of refs) {
      const target = pointed(absolute(ref, base), resources, anchors);
      if (target === undefined) {
        const message = ref.startsWith('#') ? 'the $ref names nothing' : 'a $ref may not lead out of the document';
        faults.push({ pointer: prefixOf(document) + pointer, message });
      } else if (!isPlain || !ref.startsWith('#')) holder.$ref = `#${encodeURI(target)}`;
    }
  }
  const root = documents.get(uri);
  if (others.length > 0 && typeof root === 'object' && root !== null) {
    Object.assign(root, { [mount.slice(1)]: others.map((name) => documents.get(name)) });
  }
  const place = (pointer: string) => {
    const [, index, rest] = /^\/x-documents\/(\d+)(.*)$/s.exec(pointer) ?? [];
    const document = index === undefined ? undefined : others[Number(index)];
    return document === undefined ? { pointer, document: null } : { pointer: rest as string, document };
  };
  return { root, faults, place };
}

type InDocument = References & { readonly document: string };

function* allReferences(documents: ReadonlyMap<string, unknown>): Generator<void, readonly InDocument[]> {
  const found: InDocument[] = [];
  for (const [document, value] of documents) found.push({ document, ...(yield* referencesOf(value, document)) });
  return found;
}

/** The pointer of what `uri` names in the joined document; undefined if it is no place in it. */
function pointed(
  uri: string | undefined,
  resources: ReadonlyMap<string, string>,
  anchors: ReadonlyMap<string, string>,
): string | undefined {
  const parts = uri === undefined ? undefined : splitFragment(uri);
  if (parts === undefined) return undefined;
  const { resource, fragment } = parts;
  if (fragment !== '' && !fragment.startsWith('/')) return anchors.get(`${resource}#${fragment}`);
  const at = resources.get(resource);
  return at === undefined ? undefined : at + fragment;
}
