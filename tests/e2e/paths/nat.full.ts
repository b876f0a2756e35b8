import { test } from 'node:test';
import { whyNoNamespaces } from '@sallyport/testkit';
import { becomesDirect, becomesRelayed, healsAfter } from '../../lab/nat-cases.ts';
import { natNamed, nats } from '../../lab/paths-topologies.ts';

const skip = whyNoNamespaces() ?? false;
const { friendly, open, perAddress, symmetric } = nats;

for (const [home, site] of [
  [open, friendly],
  [friendly, open],
  [open, open],
] as const) {
  test(`device behind ${natNamed(home)}, gateway behind ${natNamed(site)}: direct`, { skip }, (t) =>
    becomesDirect(t, home, site),
  );
}

for (const [home, site] of [
  [symmetric, friendly],
  [friendly, symmetric],
  [perAddress, perAddress],
] as const) {
  test(`device behind ${natNamed(home)}, gateway behind ${natNamed(site)}: relayed`, { skip }, (t) =>
    becomesRelayed(t, home, site),
  );
}

for (const nat of ['home', 'site'] as const) {
  test(`the NAT of the ${nat === 'home' ? 'device' : 'gateway'} forgets: the tunnel heals`, { skip }, (t) =>
    healsAfter(t, { nat, address: null }),
  );
}
