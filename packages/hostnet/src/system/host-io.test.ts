import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findInterface, ipAnswers, ipJson } from './host-io.ts';
import { findInterfaceIn } from './ip-json.ts';

const absent = 'sp-absent';

test('several commands of one ip have the answers that each has alone, in their order', async () => {
  const commands = ['rule show', 'route show table 23057', 'route show table local', 'route show table main'];
  const alone = await Promise.all(commands.map((command) => ipJson('-4', '-j', ...command.split(' '))));
  assert.deepEqual(await ipAnswers('-4', commands), alone);
  assert.ok(Array.isArray(alone[0]) && alone[0].length > 0, 'there are rules');
});

test('a command that fails among others fails as it does alone', async () => {
  const bad = `route show table main dev ${absent}`;
  for (const commands of [
    [bad, 'rule show'],
    ['rule show', bad, 'rule show'],
  ])
    await assert.rejects(ipAnswers('-4', commands), (error: Error) => error.message.includes(absent));
  await assert.rejects(ipAnswers('-4', ['rule show', 'route what']), /what/);
});

test('an interface in the list of all is the same as the interface alone', async () => {
  const all = await ipJson('-j', '-d', 'address', 'show');
  assert.deepEqual(findInterfaceIn(all, 'lo'), await findInterface('lo'));
  assert.deepEqual(findInterfaceIn(all, absent), { link: null, addresses: [] });
  assert.deepEqual(await findInterface(absent), { link: null, addresses: [] });
});
