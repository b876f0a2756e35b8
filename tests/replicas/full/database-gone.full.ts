// Two controllers lose their database for minutes, in three ways, under writes and with agents. Run by
// npm run test:replicas. GONE_SECONDS: how long the database is gone each time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@sallyport/testkit';
import { BadDays, Resident, Writer } from '../bad-days.ts';

const goneMs = Number(process.env.GONE_SECONDS ?? 120) * 1_000;

const ways: Readonly<Record<string, { go: (days: BadDays) => Promise<void>; back: (days: BadDays) => Promise<void> }>> =
  {
    'is stopped': { go: ({ server }) => server.kill('SIGINT'), back: ({ server }) => server.run() },
    'hangs in the middle of what it does': {
      go: async (days) => days.freeze('SIGSTOP'),
      back: async (days) => days.freeze('SIGCONT'),
    },
    'is out of reach, and nothing says so': {
      go: async ({ proxy }) => proxy.swallow(),
      back: async ({ proxy }) => proxy.carryOn(),
    },
  };

for (const [way, { go, back }] of Object.entries(ways))
  test(`controllers whose database ${way} refuse, sign nothing, and go on by themselves when it is back`, async (t) => {
    const days = await BadDays.start(t);
    const residents: Resident[] = [];
    for (let n = 0; n < 6; n++) residents.push(await Resident.start(days.members, n % 2, `resident ${n}`));
    const writers = days.members.map((member, n) => new Writer(member, `made ${n}`, 10));
    t.after(() => Promise.all([...residents, ...writers].map((each) => each.end())));
    await until('writes succeed', () => writers.every(({ acknowledged }) => acknowledged.length > 50));
    const before = days.members.map((member) => member.size());
    const [leaseMs] = residents.map(
      ({ signed: [first] }) => (first?.statement.leaseUntil ?? 0) - (first?.statement.issuedAt ?? 0),
    );
    const [goneAt, goneTime] = [performance.now(), Date.now()];
    await go(days);
    await until('agents are sent away', () => residents.every(({ sentAway }) => sentAway.length > 0));
    const away = residents.map(({ sentAway: [first] }) => ({ code: first?.code, after: (first?.at ?? 0) - goneAt }));
    t.diagnostic(`sent away after ${away.map(({ after }) => Math.round(after)).join(', ')} ms`);
    assert.deepEqual(new Set(away.map(({ code }) => code)), new Set(['busy']));
    assert.ok(
      away.every(({ after }) => after > 12_000),
      'not before fifteen seconds after the last contact',
    );
    await sleep(Math.max(0, goneAt + goneMs - performance.now()));
    const during = days.members.map((member) => member.size());
    t.diagnostic(`descriptors and megabytes: ${JSON.stringify(before)}, then ${JSON.stringify(during)}`);
    for (const [n, { descriptors, megabytes }] of during.entries()) {
      assert.ok(descriptors < (before[n]?.descriptors ?? 0) + 40, 'descriptors are bounded');
      assert.ok(megabytes < (before[n]?.megabytes ?? 0) + 150, 'memory is bounded');
    }
    for (const { signed } of residents) {
      const late = signed.filter(({ at }) => at > goneAt + 12_000);
      assert.deepEqual(late, [], 'nothing is signed');
      const last = signed.at(-1)?.statement.leaseUntil ?? 0;
      assert.ok(last <= goneTime + 1_000 + (leaseMs ?? 0), 'no lease lasts longer than from the last contact');
    }
    const answers = writers.flatMap((writer) => writer.answers).filter(({ at }) => at > goneAt + 25_000);
    assert.ok(answers.length > 0 && answers.every(({ status, code }) => status === 503 && code === 'unavailable'));
    const slowest = Math.max(...answers.map(({ took }) => took));
    t.diagnostic(`${answers.length} requests refused, the slowest after ${Math.round(slowest)} ms`);
    const backAt = performance.now();
    await back(days);
    await days.allReady();
    t.diagnostic(`ready ${Math.round(performance.now() - backAt)} ms after the database was back`);
    const count = () => writers.map(({ acknowledged }) => acknowledged.length);
    const then = count();
    await until('writes succeed again', () => count().every((now, n) => now > (then[n] ?? 0) + 20));
    await until('agents are connected', () => residents.every(({ connected }) => connected));
    t.diagnostic(`agents connected ${Math.round(performance.now() - backAt)} ms after it`);
    for (const writer of writers) await writer.end();
    const [one, two] = days.members;
    const names = await days.names(two);
    const acknowledged = writers.flatMap((writer) => writer.acknowledged);
    assert.deepEqual(
      acknowledged.filter((name) => !names.includes(name)),
      [],
      'each acknowledged write is there',
    );
    assert.equal(new Set(names).size, names.length, 'none is there twice');
    for (const [n, { id, name }] of residents.entries()) {
      const changed = await one.ask('PATCH', `/tenants/gateways/${id}`, {
        name,
        wireguardPort: `${40_000 + n}`,
      });
      assert.equal(changed.status, 200, JSON.stringify(changed.json));
    }
    await until('agents have the state of the rows', () =>
      residents.every(({ wireguardPort }, n) => wireguardPort.includes(`${40_000 + n}`)),
    );
    for (const { process } of days.members) {
      assert.equal(process.exitCode, null);
      assert.match(process.stderr, /the database answers again/);
    }
  });
