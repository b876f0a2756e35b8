import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exec, monotonicMs, RequestStream, UdpSocket, whyNoNamespaces } from '@sallyport/testkit';
import { NatLab } from './nat-lab.ts';

const skip = whyNoNamespaces() ?? false;

const plan = {
  nats: { home: { mapping: 'endpoint-independent' }, site: { mapping: 'symmetric' } },
  hosts: { laptop: 'home', phone: 'home', east: 'site', west: 'internet', relay: 'internet' },
  lans: { office: ['east', 'west'], branch: ['relay'] },
} as const;

test('hosts behind NATs reach the internet, their neighbours and their LAN, and are unreachable from outside', {
  skip,
}, async (t) => {
  const lab = await NatLab.create(plan);
  t.after(() => lab.cleanup.run());
  const [laptop, phone, east, west, relay] = await Promise.all(
    (['laptop', 'phone', 'east', 'west', 'relay'] as const).map((name) => lab.host(name)),
  );
  assert.ok(laptop && phone && east && west && relay);
  for (const host of [laptop, phone, east, west, relay]) assert.equal(await host.ping('203.0.113.10'), 'ok');
  assert.equal(await laptop.ping(lab.address('phone')), 'ok');
  assert.equal(await east.ping(lab.address('office-web')), 'ok');
  assert.equal(await west.ping(lab.lanAddress('east')), 'ok');
  assert.equal(await relay.ping(lab.address('branch-web')), 'ok');
  for (const there of [lab.address('laptop'), lab.address('office-web')]) {
    assert.notEqual(await relay.ping(there, { timeoutMs: 300 }), 'ok', there);
  }
  const mirror = await UdpSocket.open(relay, { port: 7000, mirror: true });
  const at = `${lab.address('relay')}:${mirror.port}`;
  const [ours, theirs] = [await UdpSocket.open(laptop), await UdpSocket.open(east)];
  assert.equal(await ours.seenBy(at), `${lab.nat('home').address}:${ours.port}`);
  const external = await theirs.seenBy(at);
  assert.ok(external.startsWith(`${lab.nat('site').address}:`) && !external.endsWith(`:${theirs.port}`), external);
});

test('a host loses all of its networks, or its LAN only, and recovers', { skip }, async (t) => {
  const lab = await NatLab.create(plan);
  t.after(() => lab.cleanup.run());
  const [west, web] = await Promise.all([lab.host('west'), lab.host('office-web')]);
  await web.listenHttpSource(80);
  const stream = await RequestStream.start(west, `http://${lab.address('office-web')}/`, {
    everyMs: 20,
    timeoutMs: 200,
  });
  assert.equal((await stream.answered(0)).body, lab.lanAddress('west'));
  for (const how of ['silently', 'unplugged'] as const) {
    await lab.cutLan('west', how);
    assert.notEqual(await web.ping(lab.lanAddress('west'), { timeoutMs: 200 }), 'ok');
    assert.equal(await west.ping(lab.address('controller')), 'ok');
    await lab.restore('west');
    await stream.answered(monotonicMs());
    await lab.cut('west', how);
    assert.notEqual(await west.ping(lab.address('controller'), { timeoutMs: 200 }), 'ok');
    assert.notEqual(await web.ping(lab.lanAddress('west'), { timeoutMs: 200 }), 'ok');
    await lab.restore('west');
    await stream.answered(monotonicMs());
    assert.equal(await west.ping(lab.address('controller')), 'ok');
  }
});

test('several labs run in parallel, and leave nothing behind', { skip }, async () => {
  const labs = await Promise.all([NatLab.create(plan), NatLab.create(plan), NatLab.create(plan)]);
  const names = labs.map((lab) => lab.space('laptop').name);
  assert.equal(new Set(names).size, 3);
  const pings = labs.map(async (lab) => (await lab.host('laptop')).ping(lab.address('controller')));
  assert.deepEqual(await Promise.all(pings), ['ok', 'ok', 'ok']);
  await Promise.all(labs.map((lab) => lab.cleanup.run()));
  const left = await exec('ip', ['netns', 'list']);
  for (const name of names) assert.ok(!left.includes(name.slice(0, -'laptop'.length)), left);
});

test('an invalid plan is refused, and leaves nothing behind', { skip }, async () => {
  await assert.rejects(NatLab.create({ hosts: { laptop: 'nowhere' } }), /uplink nowhere/);
  await assert.rejects(NatLab.create({ hosts: { office: 'internet' }, lans: { office: [] } }), /stands twice/);
});
