import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '@sallyport/program/place';
import { Cleanup, until } from '@sallyport/testkit';
import { differences, signedBuild, stateOf } from './fixtures.ts';
import type { BareHost } from './host.ts';
import { bootMachine } from './machine.ts';
import { brokenRelease, nextRelease, nextVersion } from './versions.ts';
import { declareOffice, installLine, PackagedController, PackageWorld, placeSecret, withoutLoss } from './world.ts';

for (const [gateway, laptop] of [
  ['bookworm', 'trixie'],
  ['trixie', 'bookworm'],
] as const) {
  test(`one line installs a gateway on ${gateway} and a device on ${laptop}, upgrades keep all traffic, and nothing is left`, async (t) => {
    const cleanup = new Cleanup();
    t.after(() => cleanup.run());
    const build = await signedBuild();
    const world = await PackageWorld.create(cleanup);
    const [host, office, device] = await Promise.all([
      bootMachine(laptop, world.space('controller'), cleanup),
      bootMachine(gateway, world.space('gateway'), cleanup),
      bootMachine(laptop, world.space('laptop'), cleanup),
    ]);
    const controller = await PackagedController.start(host, build, version, cleanup);
    await (await world.host('server')).listenUdp(7000);
    const traffic = await world.host('laptop');

    placeSecret(office, controller, await declareOffice(controller));
    placeSecret(device, controller, await controller.sally('enrolment-keys create --name laptop --key-only'));
    const before = { office: stateOf(office.folder), device: stateOf(device.folder) };
    const said = await office.run(installLine(controller, 'gateway'));
    assert.match(said, /The gateway is connected, and its host holds what the controller wants/);
    await device.run(installLine(controller, 'client'));
    assert.equal(await office.run('systemctl is-active sallyport-gateway'), 'active');
    assert.equal(await office.run('test -s /usr/local/share/man/man8/sally-gateway.8.gz && sally --version'), version);
    const link = () => office.run(`cat /sys/class/net/sallyport0/ifindex; ${running('wireguard-g[o]')}`);
    const tunnel = await link();

    const next = await nextRelease(build);
    await withoutLoss(traffic, async () => {
      await controller.install(next, nextVersion);
      await controller.answers();
    });
    for (const [role, at] of [
      ['gateway', office],
      ['client', device],
    ] as const) {
      const result = JSON.parse(await withoutLoss(traffic, () => at.run('sally upgrade --json 2>/dev/null')));
      assert.deepEqual(result, { from: version, to: nextVersion, outcome: 'upgraded', faults: [], agents: [role] });
    }
    assert.match(await controller.sally('gateways get office'), /\b1\.0\.0\b/);

    await brokenRelease(join(office.folder, 'srv/broken'), '2.0.0');
    await withoutLoss(traffic, async () => {
      const returned = await office.fails('sally upgrade --folder /srv/broken --patience 20 --json 2>/dev/null');
      assert.equal(JSON.parse(returned).outcome, 'returned');
      assert.equal(await office.run('readlink /opt/sallyport/current'), `versions/${nextVersion}`);
      await until('the state of the gateway', () => office.run('sally gateway status'));
    });
    assert.equal(await link(), tunnel, 'tunnel and wireguard-go are those of the first version');

    for (const at of [device, office]) await at.run('sally uninstall');
    await device.fails('ping -c 1 -W 1 10.20.0.10');
    await office.run('rm -r /srv/broken');
    await leavesNothing(office, before.office);
    await leavesNothing(device, before.device);
  });
}

/** Script that prints the processes whose command fits. The brackets keep it from finding itself. */
const running = (pattern: string): string => `grep -laE '${pattern}' /proc/[0-9]*/cmdline || true`;

async function leavesNothing(host: BareHost, before: ReadonlyMap<string, string>): Promise<void> {
  assert.equal(
    await host.run(
      'ip -brief link show type tun; nft list ruleset; ip rule | grep -vE "lookup (local|main|default)" || true',
    ),
    '',
  );
  assert.equal(await host.run(running('sally[p]ort|wireguard-g[o]')), '');
  assert.deepEqual(differences(before, stateOf(host.folder)), []);
}
