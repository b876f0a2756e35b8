import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from './metrics.ts';

test('figures of a controller that shares its database are read at each scrape', async () => {
  const metrics = createMetrics();
  const messages = { sent: 3, received: 2, dropped: 0 };
  metrics.followReplicas(() => ({
    ...{ alive: 3, behind: 1, silentSeconds: 0.5 },
    ...{ messages, facts: { stored: 7, read: 9 } },
  }));
  await metrics.text();
  messages.sent = 4;
  const lines = (await metrics.text()).split('\n');
  for (const line of [
    'sallyport_replicas_alive 3',
    'sallyport_replica_behind_revisions 1',
    'sallyport_database_silent_seconds 0.5',
    'sallyport_replica_messages_total{way="sent"} 4',
    'sallyport_replica_facts_total{way="read"} 9',
  ])
    assert.ok(lines.includes(line), line);
});
