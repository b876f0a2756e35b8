import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importGraph, reachable } from './graph.ts';
import { assertNone, readPackages, readSources } from './workspace.ts';

/** What running programs load: imports of types alone are erased. */
const loaded = importGraph(
  readSources().map((file) => ({ ...file, imports: file.imports.filter(({ typeOnly }) => !typeOnly) })),
  readPackages(),
);

/** The agents, and what they never use: the schemas and operations of the HTTP API take 10 MB of memory. */
const agents = ['apps/gateway/src/main.ts', 'apps/client/src/main.ts'];
const unused = /^packages\/(contract\/src\/(index|operations|errors)\.ts$|contract\/src\/(http|operations)\/|policy\/)/;

test('agents load nothing of the HTTP API', () => {
  const why = 'agents use subpaths of the contract, such as @sallyport/contract/channel';
  for (const agent of agents) {
    const files = [...reachable(loaded, agent)];
    assert.ok(files.includes('packages/contract/src/channel/messages.ts'), `${agent} loads the channel`);
    assertNone(files.filter((file) => unused.test(file)).map((file) => `${agent} loads ${file}: ${why}`));
  }
});
