import { test } from 'node:test';
import { importCircles, targetOf } from './graph.ts';
import { assertNone, isTestCode, readSources, type SourceFile } from './workspace.ts';

const home = 'apps/controller/src/';
const controller = readSources().filter(({ path }) => path.startsWith(home));

/** A place in the controller: the layer and, in `features` and `objects`, the kind. */
interface Place {
  readonly layer: string;
  readonly kind: string;
  readonly file: string;
}

function placeOf(path: string): Place | undefined {
  if (!path.startsWith(home)) return undefined;
  const [layer = '', kind = '', ...rest] = path.slice(home.length).split('/');
  return { layer, kind: rest.length === 0 ? '' : kind, file: rest.at(-1) ?? kind };
}

/** Every import of the controller that `refuses`, with the reason. Tests may compose what they like. */
function refused(refuses: (from: Place, to: Place, file: SourceFile) => boolean, why: string): string[] {
  return controller
    .filter(({ path }) => !isTestCode(path))
    .flatMap((file) =>
      file.imports.flatMap(({ specifier, line }) => {
        const from = placeOf(file.path);
        const to = placeOf(targetOf(file.path, specifier) ?? '');
        const bad = from !== undefined && to !== undefined && refuses(from, to, file);
        return bad ? [`${file.path}:${line} imports ${specifier}: ${why}`] : [];
      }),
    );
}

test('no feature of the controller imports another', () => {
  assertNone(
    refused(
      (from, to) => from.layer === 'features' && from.kind !== '' && to.layer === 'features' && to.kind !== from.kind,
      'what several features need of an object lives in objects/<kind>, one floor down',
    ),
  );
});

test('only the files at the top of the controller import features', () => {
  assertNone(
    refused(
      (from, to) => from.layer.includes('.') === false && from.layer !== 'features' && to.layer === 'features',
      'features stand on every other folder, and no folder stands on them',
    ),
  );
});

test('a store is read by its own kind only', () => {
  assertNone(
    refused(
      (from, to) => to.layer === 'objects' && to.file === 'store.ts' && from.kind !== to.kind,
      'the queries of a kind are for everybody, its store is its own',
    ),
  );
});

test('kinds of objects do not import each other in a circle', () => {
  const graph = new Map<string, Set<string>>();
  for (const file of controller.filter(({ path }) => !isTestCode(path))) {
    const from = placeOf(file.path);
    if (from?.layer !== 'objects') continue;
    const kinds = graph.get(from.kind) ?? new Set();
    graph.set(from.kind, kinds);
    for (const { specifier } of file.imports) {
      const to = placeOf(targetOf(file.path, specifier) ?? '');
      if (to?.layer === 'objects' && to.kind !== from.kind) kinds.add(to.kind);
    }
  }
  assertNone(
    importCircles(graph).map(
      (kinds) => `objects of these kinds need each other: ${kinds.join(', ')}. Put what joins them above both`,
    ),
  );
});
