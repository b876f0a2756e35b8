import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whyNoNamespaces } from '@sallyport/testkit';
import { netcheckText } from './commands/tell.ts';
import { World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('status and netcheck report a path that silently loses full packets, with the MTU to set', {
  skip,
}, async (t) => {
  const world = await World.create(t);
  await world.up();
  const { id, name } = world.gateway(1).item();
  const mtuOf = ({ gateways }: Awaited<ReturnType<World['status']>>) => gateways.find((one) => one.id === id)?.mtu;
  const well = await world.is('the path to be measured', (status) => mtuOf(status) === 1280);
  assert.deepEqual(well.notes, []);
  // A switch silently drops packets that are too long for a port.
  await world.switch.ip('link', 'set', 'gw1', 'mtu', '1300');
  const check = await world.ask({ op: 'netcheck' });
  assert.equal(check.type, 'netcheck');
  if (check.type !== 'netcheck') return;
  const carries = check.pathMtus?.find(({ gateway }) => gateway === id)?.carries ?? 0;
  assert.ok(carries <= 1240 && carries > 1216, `${carries} bytes`);
  assert.match(
    check.advice.join(),
    new RegExp(`1280 bytes are lost on the path to gateway ${name}.* --mtu ${carries}`),
  );
  assert.match(netcheckText(check), new RegExp(`^path MTU +${name}: carries packets of ${carries} bytes`, 'm'));
  const narrow = await world.status();
  assert.equal(mtuOf(narrow), carries);
  assert.match(narrow.notes.join(), /transfers stall/);
  assert.equal(narrow.gateways.find((one) => one.id === id)?.path, 'direct', 'small packets get through');
  assert.equal(check.pathMtus?.find(({ gateway }) => gateway !== id)?.carries, 1280, 'the other path is as it was');
});
