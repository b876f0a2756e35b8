import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { LiveMessage, LiveTopics } from '@sallyport/contract';
import { sessionCookie } from '../http/auth.ts';
import { ClockTimers } from '../runtime/testing/clock-timers.ts';
import type { Browser } from './browser.ts';
import { type EventStream, listen, openEvents } from './event-stream.ts';
import { openTestApp, type TestApp } from './harness.ts';

/** An app whose time stands still until the test moves it. */
export async function openLiveApp(t: TestContext, overrides: Parameters<typeof openTestApp>[1] = {}) {
  const timers = new ClockTimers();
  const app = await openTestApp(t, { timers, ...overrides });
  timers.clock = app.clock;
  return { app, timers, second: () => timers.advanceTo(app.clock.now + 1000) };
}

/** One live stream of a test. */
export interface LiveStream {
  readonly id: string;
  readonly first: LiveMessage;
  /** The next message; null when the stream is over. */
  next(): Promise<LiveMessage | null>;
  follow(topics: LiveTopics): Promise<void>;
  close(): void;
}

/** Opens a live stream with an API key, or as a signed-in browser. */
export async function openLive(
  t: TestContext,
  app: TestApp,
  { as = app.tenant.key, query = '' }: { as?: string | Browser; query?: string } = {},
): Promise<LiveStream> {
  const key = typeof as === 'string' ? as : null;
  const cookie =
    typeof as === 'string' ? {} : { cookie: `${sessionCookie}=${as.token}`, 'sec-fetch-site': 'same-origin' };
  const events = await openEvents(`${await listen(app)}/tenants/live${query}`, key, cookie);
  t.after(() => events.close());
  const first = await nextMessage(events);
  assert.ok(first?.stream !== undefined, 'the first message names the stream');
  const id = first.stream;
  return {
    id,
    first,
    next: () => nextMessage(events),
    follow: async (topics) => {
      const path = `/tenants/live/${id}`;
      const answer = await (key === null
        ? (as as Browser).request('PUT', path, topics)
        : app.request('PUT', path, { key, body: topics }));
      assert.equal(answer.status, 204, answer.text);
    },
    close: () => events.close(),
  };
}

async function nextMessage(events: EventStream): Promise<LiveMessage | null> {
  for (;;) {
    const event = await events.next();
    if (event === null) return null;
    if (event.data !== undefined) return JSON.parse(event.data);
  }
}
