import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isEncrypted, rootMount } from './disk.ts';
import { endsClosed, inputChains, isFirewalled } from './firewall.ts';
import { distributionOf, parseOsRelease } from './os-release.ts';
import { readPosture } from './read.ts';
import { enforcedScreenLock } from './screen-lock.ts';

describe('os-release', () => {
  it('is read with and without quotes', () => {
    const text =
      '# c\nNAME="Debian GNU/Linux"\nID=debian\nVERSION_ID=\'12\'\nPRETTY_NAME="a \\"b\\" \\$c"\nbroken line\n';
    assert.deepEqual(distributionOf(text), { distribution: 'debian', osVersion: '12' });
    assert.equal(parseOsRelease(text).get('PRETTY_NAME'), 'a "b" $c');
  });

  it('without a version says none', () => {
    assert.deepEqual(distributionOf('ID=arch\nBUILD_ID=rolling\n'), { distribution: 'arch', osVersion: 'rolling' });
    assert.deepEqual(distributionOf('ID=void\n'), { distribution: 'void' });
    assert.deepEqual(distributionOf(''), { distribution: 'linux' });
  });
});

describe('disk', () => {
  const plain = { name: 'sda2', uuid: null, slaves: [] };
  const crypt = { name: 'dm-0', uuid: 'CRYPT-LUKS2-0123-cryptroot', slaves: [plain] };
  const volume = (...slaves: (typeof plain | typeof crypt)[]) => ({ name: 'dm-1', uuid: 'LVM-abc', slaves });

  it('is encrypted when all that lies below is', () => {
    assert.equal(isEncrypted(plain), false);
    assert.equal(isEncrypted(crypt), true);
    assert.equal(isEncrypted(volume(crypt)), true);
    assert.equal(isEncrypted(volume(plain)), false);
    assert.equal(isEncrypted(volume(crypt, plain)), false);
  });

  it('of the root file system is the topmost at /', () => {
    const text = [
      '22 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw',
      '28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw',
      '40 28 8:1 / /boot rw - ext4 /dev/sda1 rw',
    ].join('\n');
    assert.deepEqual(rootMount(text), { device: '254:0', source: '/dev/mapper/root' });
    const btrfs = '28 1 0:24 /@ / rw,relatime shared:1 - btrfs /dev/dm-0 rw';
    assert.deepEqual(rootMount(btrfs), { device: null, source: '/dev/dm-0' });
    assert.equal(rootMount('nonsense'), null);
  });
});

describe('firewall', () => {
  const chain = (family: string, table: string, over: object = {}) => ({
    chain: { family, table, name: 'in', handle: 1, type: 'filter', hook: 'input', prio: 0, policy: 'drop', ...over },
  });
  const list = (...chains: object[]) => JSON.stringify({ nftables: [{ metainfo: { version: '1.0.6' } }, ...chains] });

  it('is what others hook into input', () => {
    const found = inputChains(
      list(chain('inet', 'sallyport_x'), chain('ip', 'filter'), chain('ip', 'nat', { type: 'nat' }), {
        chain: { family: 'ip', table: 'filter', name: 'ufw-user', handle: 2 },
      }),
    );
    assert.deepEqual(found, [{ family: 'ip', table: 'filter', name: 'in', policy: 'drop' }]);
    assert.equal(inputChains('not json'), null);
    assert.equal(inputChains('[]'), null);
  });

  it('closes for both families, or it is none', () => {
    const [v4, v6, both] = (inputChains(list(chain('ip', 'a'), chain('ip6', 'b'), chain('inet', 'c'))) ??
      []) as never[];
    assert.ok(v4 && v6 && both);
    assert.equal(isFirewalled([v4], true), false);
    assert.equal(isFirewalled([v4], false), true);
    assert.equal(isFirewalled([v4, v6], true), true);
    assert.equal(isFirewalled([both], true), true);
    assert.equal(isFirewalled([], false), false);
  });

  it('may close by its last rule', () => {
    const rules = (...exprs: object[][]) => list(...exprs.map((expr) => ({ rule: { family: 'inet', expr } })));
    const match = { match: { op: '==', left: { ct: { key: 'state' } }, right: 'established' } };
    assert.equal(endsClosed(rules([match, { accept: null }], [{ reject: { type: 'icmpx' } }])), true);
    assert.equal(endsClosed(rules([{ counter: { packets: 1, bytes: 2 } }, { drop: null }])), true);
    assert.equal(endsClosed(rules([match, { drop: null }])), false);
    assert.equal(endsClosed(rules([{ drop: null }], [match, { accept: null }])), false);
    assert.equal(endsClosed(rules()), false);
    assert.equal(endsClosed('nonsense'), false);
  });
});

describe('screen lock', () => {
  const settings = '[org/gnome/desktop/screensaver]\nlock-enabled=true\n';
  const lock = '/org/gnome/desktop/screensaver/lock-enabled\n';

  it('is known only where it is enforced', () => {
    assert.equal(enforcedScreenLock([settings], []), null);
    assert.equal(enforcedScreenLock([settings], [lock]), true);
    assert.equal(enforcedScreenLock([settings, settings.replace('true', 'false')], [lock]), false);
    assert.equal(enforcedScreenLock(['[org/other]\nlock-enabled=true\n'], [lock]), null);
  });
});

it('the posture of this machine has the basic facts, and only facts that the channel accepts', async () => {
  const { Posture } = await import('@sallyport/contract/channel');
  const facts = await readPosture('1.2.3');
  assert.equal(facts.os, 'linux');
  assert.equal(facts.agentVersion, '1.2.3');
  assert.ok(typeof facts.kernel === 'string' && typeof facts.hostname === 'string');
  assert.ok(Posture.safeParse({ type: 'posture', facts }).success);
  assert.ok(!('screenLock' in facts) || typeof facts.screenLock === 'boolean');
});
