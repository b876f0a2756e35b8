import assert from 'node:assert/strict';
import { test } from 'node:test';
import { privateKeyPlaceholder } from '@sallyport/contract';
import { withPrivateKey } from './device-file.ts';

const key = Buffer.alloc(32, 1).toString('base64');
const good = `[Interface]\nPrivateKey = ${privateKeyPlaceholder}\nAddress = 100.64.0.2/32\n`;

test('a configuration with commands for wg-quick is refused', () => {
  assert.match(withPrivateKey(good, key), new RegExp(`PrivateKey = ${key.slice(0, 8)}`));
  for (const line of ['PostUp = touch /tmp/x', 'PreUp=id', 'postdown = id', 'SaveConfig = true', '[Script]'])
    assert.throws(() => withPrivateKey(`${good}${line}\n`, key), /invalid configuration/, line);
});
