import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import { newAgent, ScriptedAgent, withNewKey } from '../../apps/controller/src/channel/testing/scripted-agent.ts';
import { ControllerProcess, testFolder } from '../../apps/controller/src/testing/controller-process.ts';

test('a device that reconnects with new keys gets few of them stored', async (t) => {
  const controller = await ControllerProcess.start(t, testFolder(t));
  const port = Number(new URL(controller.url).port);
  const headers = { apikey: controller.printedKey ?? '', 'content-type': 'application/json' };
  const call = async (method: string, path: string, body?: object) => {
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    return (await (await fetch(controller.url + path, { method, headers, ...text })).json()) as Record<string, unknown>;
  };
  const { key } = await call('POST', '/tenants/enrolment-keys', { name: 'hostile' });
  const { agent: id } = parseEnrolmentToken(String(key), 'device') ?? assert.fail();
  const { token, ...identity } = newAgent(id, String(key), 'device');
  await (await ScriptedAgent.connect(port, { ...identity, token: token ?? '' })).cut();
  const before = Number((await call('GET', '/tenants/settings')).revision);
  let admitted = 0;
  for (let count = 0; count < 80; count++) {
    try {
      await (await ScriptedAgent.connect(port, withNewKey(identity))).cut();
      admitted++;
    } catch (error) {
      assert.match(String(error), /busy/);
    }
  }
  const stored = Number((await call('GET', '/tenants/settings')).revision) - before;
  assert.ok(admitted < 40, `${admitted} of 80 admitted`);
  assert.ok(stored < 60, `${stored} revisions`);
});
