/**
 * The rules of the house that a machine can check: who may import whom, where a package enters, where time and
 * randomness come from, sizes and names of files, open sets, and the ledger of promises. A red test here means the
 * design has been left, not that a style was missed; change docs/architecture.md with it, or the code.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { describe, it } from 'node:test';
import { floors, pluralFolders, rooms } from './house-floors.ts';
import { packages } from './house-packages.ts';
import { promises } from './promises.ts';

const root = resolve(import.meta.dirname, '..');
const linesMax = 350;

/** Files besides clock.ts, main.ts and cli/ that may use timers: workers, which no Clock can be handed to. */
const ownTimers: readonly string[] = ['src/audit/sinks/sqlite-worker.ts'];

const bannedWords = ['utils', 'util', 'helpers', 'helper', 'common', 'shared', 'core', 'manager', 'handler', 'types'];

interface SourceFile {
  /** From the project's root, with slashes. */
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
}

function read(...patterns: readonly string[]): readonly SourceFile[] {
  const paths = patterns.flatMap((pattern) =>
    globSync(pattern, { cwd: root, exclude: (name) => name === 'node_modules' }),
  );
  return paths.toSorted().map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    // Good enough without a parser: comments stand at the start of a line or after a space.
    const code = text.replaceAll(/(^|\s)\/\*[\s\S]*?\*\//g, '$1').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
    return { path: path.split(sep).join('/'), text, code };
  });
}

const source = read('src/**/*.ts');
/** What runs in browsers: a world of its own beside src. */
const pages = read('console/*.ts');
const tests = read('test/**/*.ts');

function imports({ code }: SourceFile): readonly string[] {
  return [...code.matchAll(/(?:(?<!['"])\bfrom\s+|\bimport\s*\(\s*|^import\s+)['"]([\w@./:-]+)['"]/gm)].map(
    (match) => match[1] ?? '',
  );
}

/** What a file of src belongs to: its first folder, or its own name on the top floor. */
function unit(path: string): string {
  const inside = path.replace(/^src\//, '');
  return inside.includes('/') ? (inside.split('/')[0] ?? '') : basename(inside, '.ts');
}

function floorOf(name: string): number {
  return floors.findIndex((floor) => floor.includes(name));
}

function none(faults: readonly string[], rule: string): void {
  assert.equal(faults.length, 0, `${rule}:\n  ${faults.join('\n  ')}`);
}

describe('the house: who knows whom', () => {
  it('every folder and file of src has its floor', () => {
    none(
      source.map(({ path }) => path).filter((path) => floorOf(unit(path)) === -1),
      'a new room goes into floors',
    );
  });

  it('imports go down the floors, and rooms never import each other', () => {
    const faults = source.flatMap((file) => {
      const from = unit(file.path);
      const relatives = imports(file).filter((name) => name.startsWith('.'));
      return relatives.flatMap((name) => {
        const target = relative(root, resolve(root, dirname(file.path), name))
          .split(sep)
          .join('/');
        if (!target.startsWith('src/'))
          return ['assembly', 'main', 'cli'].includes(from) ? [] : [`${file.path} → ${target}`];
        const to = unit(target);
        if (to === from) return [];
        const isSection = basename(target) === 'section.ts';
        if (from === 'config' && isSection) return [];
        if (from === 'config' && rooms.includes(to))
          return [`${file.path} → ${target} (of a room, config knows section.ts)`];
        const bottom = floorOf(to) === 0 && floorOf(from) === 0;
        return bottom || floorOf(to) < floorOf(from) ? [] : [`${file.path} → ${target}`];
      });
    });
    none(
      faults,
      'cli → main → server, config → pipeline → rooms → wire, store, telemetry → call, stage, denial, clock',
    );
  });

  it('a third-party package enters through its folder', () => {
    const faults = source.flatMap((file) =>
      imports(file).flatMap((name) => {
        if (name.startsWith('.') || name.startsWith('node:')) return [];
        const packageName = name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/');
        const doors = packages[packageName];
        if (doors === undefined) return [`${file.path} → ${name} (not in the table)`];
        const allowed = doors.some((door) =>
          door === 'section' ? basename(file.path) === 'section.ts' : file.path.startsWith(`src/${door}/`),
        );
        return allowed ? [] : [`${file.path} → ${name}`];
      }),
    );
    none(faults, 'see the table of packages');
  });

  it('the packages of the lock file are the ones of the table, and each is used', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object };
    assert.deepEqual(Object.keys(dependencies).toSorted(), Object.keys(packages).toSorted());
    const used = new Set([...source, ...pages].flatMap(imports));
    const unused = Object.keys(packages).filter(
      (name) => ![...used].some((path) => path === name || path.startsWith(`${name}/`)),
    );
    none(unused, 'a gateway holds every key: a package nobody imports is only a risk');
  });
});

describe('the house: what may be touched', () => {
  const mayTouch = ({ path }: SourceFile) =>
    path === 'src/clock.ts' || path === 'src/main.ts' || path.startsWith('src/cli/');
  const below = source.filter((file) => !mayTouch(file));

  it('nobody below main reads the clock, a random source or the environment', () => {
    const banned = [
      /\bDate\.now\b/,
      /\bnew Date(?:\(\s*\)|(?!\s*\())/,
      /\bperformance\.now\b/,
      /\bMath\.random\b/,
      /\bprocess\.env\b/,
      /\bimport\s*\{[^}]*\brandom(?:Bytes|UUID|Int|Fill|FillSync)\b[^}]*\}\s*from\s*'node:crypto'/,
      /\bcrypto\.(?:random|getRandomValues)/,
    ];
    const faults = below.flatMap(({ path, code }) =>
      banned.filter((pattern) => pattern.test(code)).map((pattern) => `${path}: ${pattern.source}`),
    );
    none(faults, 'take a Clock');
  });

  it('nobody below main sets timers of its own', () => {
    const timers = /(?<![.\w])set(?:Timeout|Interval)\s*\(|from\s*'node:timers/;
    const users = below.filter(({ code }) => timers.test(code)).map(({ path }) => path);
    none(
      users.filter((path) => !ownTimers.includes(path)),
      'use Clock.after',
    );
    none(
      ownTimers.filter((path) => !users.includes(path)),
      'no longer needed in ownTimers',
    );
  });
});

describe('the house: files', () => {
  const all = [
    ...source,
    ...pages,
    ...tests,
    ...read('scripts/*', 'bin/*', 'examples/**/*.{ts,js}', 'policies/**/*.rego'),
  ];

  it(`no file is longer than ${linesMax} lines`, () => {
    const lines = (text: string) => text.trimEnd().split('\n').length;
    none(
      all.filter(({ text }) => lines(text) > linesMax).map(({ path, text }) => `${path}: ${lines(text)}`),
      'split it along what it is about',
    );
  });

  it('no file or folder has a name that says nothing', () => {
    const words = (path: string) => path.replace(/\.d\.ts$/, '').split(/[/._-]/);
    none(
      all.map(({ path }) => path).filter((path) => words(path).some((word) => bannedWords.includes(word))),
      bannedWords.join(', '),
    );
  });

  it('every source file opens with what it is for', () => {
    none(
      [...source, ...pages].filter(({ text }) => !/^(?:#!.*\n)?(?:\/\*\*|\/\/)/.test(text)).map(({ path }) => path),
      'one to four sentences',
    );
  });

  it('there is no enum and no namespace', () => {
    const pattern = /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?(?:enum|namespace)\s+\w/m;
    const own = [...source, ...tests].filter(({ path }) => !path.endsWith('.d.ts')); // packages without types have theirs there
    none(
      own.filter(({ code }) => pattern.test(code)).map(({ path }) => path),
      'only erasable syntax',
    );
  });

  it('nothing is left for later in a comment', () => {
    const pattern = /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/;
    none(
      all.filter(({ text }) => pattern.test(text)).map(({ path }) => path),
      'do it, or say so in the issue',
    );
  });

  it('test/unit mirrors src', () => {
    const folders = new Set(globSync('test/unit/*', { cwd: root }).map((path) => basename(path)));
    const known = (name: string) =>
      ['scripts', 'console'].includes(name) ||
      existsSync(join(root, 'src', name)) ||
      existsSync(join(root, 'src', name.replace(/\.test\.ts$/, '.ts')));
    none(
      [...folders].filter((name) => !known(name)),
      'a test stands where its subject stands',
    );
  });
});

describe('the house: open sets', () => {
  const folders = globSync(`src/*/{${pluralFolders.join(',')}}`, { cwd: root }).filter(
    (path) => globSync(join(root, path, '**/*.ts')).length > 0,
  );
  const files = new Map(source.map((file) => [file.path, file]));

  /** Files of the folder that `path` names, directly or by way of another one. */
  function reached(path: string, folder: string, seen: Set<string>): Set<string> {
    if (seen.has(path) || !path.startsWith(`${folder}/`)) return seen;
    seen.add(path);
    for (const match of files.get(path)?.code.matchAll(/['"](\.{1,2}\/[^'"]+\.ts)['"]/g) ?? []) {
      reached(
        join(dirname(path), match[1] ?? '')
          .split(sep)
          .join('/'),
        folder,
        seen,
      );
    }
    return seen;
  }

  /** A large member has more files: `openai.ts` those of `openai/`, `sqlite.ts` those named `sqlite-….ts`. */
  function isPartOf(path: string, folder: string, members: ReadonlySet<string>): boolean {
    const [name = ''] = path.slice(folder.length + 1).split(/[/-]/);
    return members.has(`${folder}/${name}.ts`);
  }

  it('every member of a plural folder is in its index.ts', () => {
    const faults = folders.flatMap((folder) => {
      const contract = `${folder}/${basename(folder).replace(/s$/, '')}.ts`;
      const seen = reached(`${folder}/index.ts`, folder, new Set());
      const members = source.map(({ path }) => path).filter((path) => path.startsWith(`${folder}/`));
      if (!members.includes(`${folder}/index.ts`)) return [`${folder} has no index.ts`];
      return members.filter((path) => path !== contract && !seen.has(path) && !isPartOf(path, folder, seen));
    });
    none(faults, 'one file a member and one line in index.ts');
  });
});

describe('the house: promises', () => {
  const titles =
    /\b(?:it|test|describe|step)(?:\.\w+)?\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;
  const cited = new Map<string, string>();
  const files = [...tests.filter(({ path }) => path.endsWith('.test.ts')), ...read('examples/**/*.ts')];
  for (const { path, code } of files) {
    for (const [, single, double, template] of code.matchAll(titles)) {
      const title = single ?? double ?? template ?? '';
      for (const [, id] of title.matchAll(/\[([a-z]+\.[a-z0-9-]+)\]/g)) cited.set(id ?? '', path);
    }
  }

  it('every promise is kept by a test that cites it', () => {
    none(
      Object.keys(promises).filter((id) => !cited.has(id)),
      'name the id in brackets in the title of a test',
    );
  });

  it('every cited promise is in the ledger', () => {
    none(
      [...cited].filter(([id]) => !Object.hasOwn(promises, id)).map(([id, path]) => `${id} in ${path}`),
      'test/promises.ts',
    );
  });

  it('every promise is a sentence with a source, under the name of a room', () => {
    for (const [id, { sentence, source: from }] of Object.entries(promises)) {
      const [room = '', what = ''] = id.split('.');
      assert.notEqual(floorOf(room), -1, id);
      assert.match(what, /^[a-z0-9]+(?:-[a-z0-9]+)*$/, id);
      assert.match(sentence, /^[A-Z].*\.$/, id);
      assert.ok(from.length > 0, id);
    }
  });
});
