import assert from 'node:assert/strict';
import { it } from 'node:test';
import { mergeSavedHost } from './saved-host.ts';

it('memory of settings keeps the value from before the first change', () => {
  const host = {
    interface: 'sp0',
    addresses: [],
    overlay: { v4: '100.64.0.0/10', v6: 'fd00::/48' },
    mtu: 1280,
    routes: [],
  };
  const change = (before: string) => ({ path: 'net/ipv4/ip_forward', value: '1', before });
  const first = mergeSavedHost(null, host, [change('0')]);
  assert.deepEqual(mergeSavedHost(first, host, [change('1')]).sysctls, [change('0')]);
});
