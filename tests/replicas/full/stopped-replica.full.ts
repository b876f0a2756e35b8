// A controller stands still (SIGSTOP) for times around each limit, and goes on. Run by npm run test:replicas.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@sallyport/testkit';
import { BadDays, Resident, Writer } from '../bad-days.ts';

/** Seconds: the lease of a controller is 6, nothing is signed after 10, agents belong to others after 15. */
const stops = (process.env.STOP_SECONDS ?? '5,9,11,14,16,60').split(',').map(Number);

for (const seconds of stops)
  test(`a controller that stands still for ${seconds} s tells nothing old when it goes on`, async (t) => {
    const days = await BadDays.start(t);
    const [stopped, other] = days.members;
    const residents: Resident[] = [];
    for (let n = 0; n < 6; n++) residents.push(await Resident.start(days.members, n % 2, `resident ${n}`));
    const [own, others] = [residents.filter(({ at }) => at === 0), residents.filter(({ at }) => at === 1)];
    const writers = days.members.map((member, n) => new Writer(member, `made ${n}`, 10));
    t.after(() => Promise.all([...residents, ...writers].map((each) => each.end())));
    await until('writes succeed', () => writers.every(({ acknowledged }) => acknowledged.length > 50));
    const change = async (of: readonly Resident[], port: number) => {
      for (const { id, name } of of) {
        const made = await other.ask('PATCH', `/tenants/gateways/${id}`, { name, wireguardPort: `${port}` });
        assert.equal(made.status, 200, JSON.stringify(made.json));
      }
    };
    const stoppedAt = performance.now();
    stopped.signal('SIGSTOP');
    // It may hold the lock of the tenant: then the server ends its transaction, or it goes on sooner.
    const [, second] = writers;
    const before = second?.acknowledged.length ?? 0;
    const meanwhile = Promise.all([
      change(residents, 41_000),
      until('the other one writes', () => (second?.acknowledged.length ?? 0) > before + 20).then(() =>
        t.diagnostic(`the other one writes ${Math.round(performance.now() - stoppedAt)} ms after the stop`),
      ),
    ]);
    // Requests that wait in its sockets.
    const waiting = Array.from({ length: 5 }, () => stopped.ask('GET', '/tenants/gateways?limit=100000'));
    await sleep(Math.max(0, stoppedAt + seconds * 1_000 - performance.now()));
    const known = second?.acknowledged.slice() ?? [];
    const revision = Math.max(...others.map(({ signed }) => signed.at(-1)?.statement.revision.number ?? 0));
    const wokenAt = performance.now();
    stopped.signal('SIGCONT');
    for (const { status, json } of await Promise.all(waiting)) {
      // None: its connection was idle for too long before.
      if (status === 503 || status === 0) continue;
      assert.equal(status, 200);
      const told = new Set(json.map(({ name }: { name: string }) => name));
      assert.deepEqual(
        known.filter((name) => !told.has(name)),
        [],
        'an answer holds all that was acknowledged before',
      );
    }
    await meanwhile;
    await days.allReady();
    t.diagnostic(`ready ${Math.round(performance.now() - wokenAt)} ms after it went on`);
    await until('all agents have what was changed meanwhile', () =>
      residents.every(({ connected, wireguardPort }) => connected && wireguardPort.includes('41000')),
    );
    t.diagnostic(`its agents have the state ${Math.round(performance.now() - wokenAt)} ms after it went on`);
    if (seconds > 10)
      for (const { signed } of own) {
        const first = signed.find(({ at }) => at > wokenAt);
        assert.ok(first === undefined || first.statement.revision.number >= revision, 'nothing old is signed');
      }
    const busy = own.filter(({ sentAway }) => sentAway.some(({ code }) => code === 'busy')).length;
    if (seconds < 12) assert.equal(busy, 0, 'it keeps its agents');
    t.diagnostic(`agents at it afterwards: ${residents.filter(({ at }) => at === 0).length} of ${own.length}`);
    await change(residents, 42_000);
    await until('a change through the other one reaches all', () =>
      residents.every(({ wireguardPort }) => wireguardPort.includes('42000')),
    );
    for (const writer of writers) await writer.end();
    const names = await days.names(stopped);
    const acknowledged = writers.flatMap((writer) => writer.acknowledged);
    assert.deepEqual(
      acknowledged.filter((name) => !names.includes(name)),
      [],
      'each acknowledged write is there',
    );
    assert.equal(new Set(names).size, names.length, 'none is there twice');
    const odd = writers.flatMap(({ answers }) => answers).filter(({ status }) => ![201, 503].includes(status));
    assert.deepEqual(odd, []);
  });
