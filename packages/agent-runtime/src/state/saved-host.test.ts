import assert from 'node:assert/strict';
import { it } from 'node:test';
import { mergeSavedHost, undonePhrases } from './saved-host.ts';

it('saved settings keep the value from before the first change', () => {
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

it('the earliest saved settings of the host win', () => {
  const host = { interface: 'x' };
  const change = (path: string, before: string) => ({ path, before, value: '1' });
  const first = mergeSavedHost(null, host, [change('a', '0')]);
  const second = mergeSavedHost(first, host, [change('a', '1'), change('b', '0')]);
  assert.deepEqual(second.sysctls, [change('a', '0'), change('b', '0')]);
});

it('the report of an undo names the restored settings', () => {
  assert.deepEqual(undonePhrases({ sysctls: [] }), ['addresses, routes and rules']);
  const sysctls = ['net/a', 'net/b'].map((path) => ({ path, before: '0', value: '1' }));
  assert.deepEqual(undonePhrases({ sysctls }), ['addresses, routes and rules', 'settings net/a, net/b']);
});
