import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Administrator } from './administrator.ts';
import { pick } from './dice.ts';
import { World } from './harness.ts';
import { Storm } from './storm.ts';

for (const seed of [1, 2, 3, 4]) {
  test(`after random failures every gateway holds its committed state and nothing else (seed ${seed})`, async (t) => {
    const world = await World.open(t, seed);
    const admins: Administrator[] = [];
    for (const name of ['first', 'second']) {
      const admin = new Administrator(world, await world.controller.tenant(name));
      admins.push(admin);
      for (let n = 0; n < 3; n++) world.host(await admin.gateway()).start();
      await admin.furnish();
    }
    const deleted: string[] = [];
    const storm = new Storm(world);
    for (let round = 0; round < 3; round++) {
      for (let step = 0; step < 60; step++) {
        await storm.blow();
        if (world.controller.up) await pick(world.dice, admins).act(Math.ceil(world.dice() * 4));
        await world.run(world.dice() < 0.2 ? world.dice() * 40_000 : world.dice() * 800);
      }
      await storm.calm();
      const admin = pick(world.dice, admins);
      deleted.push(await admin.deleteGateway());
      world.host(await admin.gateway()).start();
      await world.until('everything is as its rows say', () => converged(world, admins, deleted), 120_000);
    }
    const writes = admins.reduce((sum, admin) => sum + admin.writes, 0);
    assert.ok(writes > 200 && storm.kinds.size === storm.all, `${writes} writes, weather ${[...storm.kinds]}`);
  });
}

async function converged(world: World, admins: readonly Administrator[], deleted: readonly string[]): Promise<boolean> {
  const { controller, oracle, agents } = world;
  for (const { tenant } of admins) {
    const truth = await oracle.compile(controller.store, tenant.id);
    for (const [gateway, hash] of truth) {
      const host = agents.find((agent) => agent.id === gateway);
      const presence = controller.app.channel.presence(gateway);
      if (host?.plane.hash !== hash || !presence.connected || !presence.converged) return false;
    }
  }
  return deleted.every((gateway) => agents.find((agent) => agent.id === gateway)?.tornDown);
}
