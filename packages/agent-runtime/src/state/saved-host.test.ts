import assert from 'node:assert/strict';
import { it } from 'node:test';
import { mergeSavedHost, undonePhrases } from './saved-host.ts';

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

it('settings of the host from before us win', () => {
  const host = { interface: 'x' };
  const change = (path: string, before: string) => ({ path, before, value: '1' });
  const first = mergeSavedHost(null, host, [change('a', '0')]);
  const second = mergeSavedHost(first, host, [change('a', '1'), change('b', '0')]);
  assert.deepEqual(second.sysctls, [change('a', '0'), change('b', '0')]);
});

it('what was undone is told with the settings that were restored', () => {
  assert.deepEqual(undonePhrases({ sysctls: [] }), ['addresses, routes and rules']);
  const sysctls = ['net/a', 'net/b'].map((path) => ({ path, before: '0', value: '1' }));
  assert.deepEqual(undonePhrases({ sysctls }), ['addresses, routes and rules', 'settings net/a, net/b']);
});
