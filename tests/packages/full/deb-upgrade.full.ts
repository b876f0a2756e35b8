import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '@sallyport/program/place';
import { Cleanup, until } from '@sallyport/testkit';
import { debName } from '../../../build/deb.ts';
import { signedBuild } from './fixtures.ts';
import type { BareHost } from './host.ts';
import { bootMachine } from './machine.ts';
import { nextRelease, nextVersion } from './versions.ts';
import { declareOffice, PackagedController, PackageWorld, placeSecret, processor, withoutLoss } from './world.ts';

test('a newer Debian package restarts controller and agents under traffic, and no datagram is lost', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const build = await signedBuild();
  const next = await nextRelease(build);
  const world = await PackageWorld.create(cleanup);
  const [host, office, device] = await Promise.all([
    bootMachine('bookworm', world.space('controller'), cleanup),
    bootMachine('trixie', world.space('gateway'), cleanup),
    bootMachine('bookworm', world.space('laptop'), cleanup),
  ]);
  const controller = await PackagedController.start(host, build, version, cleanup);
  await (await world.host('server')).listenUdp(7000);
  const traffic = await world.host('laptop');

  placeSecret(office, controller, await declareOffice(controller));
  placeSecret(device, controller, await controller.sally('enrolment-keys create --name laptop --key-only'));
  for (const at of [office, device]) await installDeb(at, build, version);
  const settings = `SALLYPORT_CONTROLLER=${controller.url}\nSALLYPORT_CA_FILE=/srv/authority.pem\n`;
  writeFileSync(join(office.folder, 'etc/sallyport/gateway.env'), settings);
  await office.run('mv /srv/secret /etc/sallyport/gateway.token; systemctl enable --now sallyport-gateway');
  const up = `sally up --controller ${controller.url} --ca-file /srv/authority.pem --enrolment-key-file /srv/secret`;
  await device.run(`systemctl enable sallyport-client; ${up} --timeout 60`);

  const log = 'journalctl --no-pager --unit sallyport-client';
  await until('the shortest path', async () => /office is direct/.test(await device.run(log)));

  for (const [role, at] of [
    ['gateway', office],
    ['client', device],
  ] as const) {
    const link = () =>
      at.run('cat /sys/class/net/sallyport*/ifindex; grep -las wireguard-g[o] /proc/[0-9]*/cmdline || true');
    const main = () => at.run(`systemctl show --property MainPID --value sallyport-${role}`);
    const [tunnel, first] = [await link(), await main()];
    await withoutLoss(traffic, async () => {
      await installDeb(at, next, nextVersion);
      await until('the new version', async () => {
        const status = JSON.parse(await at.run(`cat /var/lib/sallyport/${role}/status.json`));
        return status.version === nextVersion && String(status.pid) === (await main());
      });
    });
    assert.notEqual(await main(), first);
    assert.equal(await link(), tunnel, 'tunnel and wireguard-go stay');
  }
  await withoutLoss(traffic, async () => {
    await controller.install(next, nextVersion);
    await controller.answers();
  });
  assert.match(await host.run('sally --version'), /^1\.0\.0$/);
});

async function installDeb(host: BareHost, build: string, of: string): Promise<void> {
  const deb = debName(of, processor);
  copyFileSync(join(build, deb), join(host.folder, 'srv', deb));
  await host.run(`dpkg -i /srv/${deb}; rm /srv/${deb}`);
}
