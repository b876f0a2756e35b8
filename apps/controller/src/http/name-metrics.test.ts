import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NameFigures } from '@sallyport/contract/channel';
import { Registry } from 'prom-client';
import { openTestApp } from '../testing/harness.ts';
import { nameMetrics } from './name-metrics.ts';

test('figures about names are those that gateways report now', async () => {
  const reports = new Map<string, NameFigures>();
  const registry = new Registry();
  nameMetrics([registry], () => reports, {});
  const lines = async () => (await registry.metrics()).split('\n').filter((line) => line.startsWith('sallyport_name'));
  assert.deepEqual(await lines(), []);
  reports.set('g1', {
    ...{ resolved: 3, unresolved: 1, queries: { noerror: 7, refused: 2 } },
    asked: { answered: 20, failed: 4, ms: 1_500 },
  });
  assert.deepEqual(await lines(), [
    'sallyport_names{gateway="g1",state="resolved"} 3',
    'sallyport_names{gateway="g1",state="unresolved"} 1',
    'sallyport_name_queries_total{gateway="g1",result="noerror"} 7',
    'sallyport_name_queries_total{gateway="g1",result="refused"} 2',
    'sallyport_name_questions_total{gateway="g1",outcome="answered"} 20',
    'sallyport_name_questions_total{gateway="g1",outcome="failed"} 4',
    'sallyport_name_questions_seconds_total{gateway="g1"} 1.5',
  ]);
  reports.clear();
  assert.deepEqual(await lines(), []);
});

test('new names are counted by outcome, and each outcome is there from the start', async (t) => {
  const newNames = { given: 0, full: 0 };
  const registry = new Registry();
  nameMetrics([registry], () => [], newNames);
  newNames.given += 2;
  const lines = (text: string) => text.split('\n').filter((line) => line.startsWith('sallyport_new_names_total'));
  assert.deepEqual(lines(await registry.metrics()), [
    'sallyport_new_names_total{outcome="given"} 2',
    'sallyport_new_names_total{outcome="full"} 0',
  ]);
  const app = await openTestApp(t);
  assert.deepEqual(
    lines(await app.metrics()),
    ['given', 'none', 'later', 'full'].map((outcome) => `sallyport_new_names_total{outcome="${outcome}"} 0`),
  );
});
