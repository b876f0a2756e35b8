import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { errorCatalogue } from '@sallyport/contract';
import { revisionOf } from '../../apps/controller/src/testing/api.ts';
import { listen } from '../../apps/controller/src/testing/event-stream.ts';
import { openTestApp, type TestApp, type TestTenant, testPostgres } from '../../apps/controller/src/testing/harness.ts';
import { Dice } from './dice.ts';
import { ApiDocument } from './documented.ts';
import { spoilt } from './hostile.ts';
import { misfits, type Schema } from './json-schema.ts';
import { type DocumentedOperation, fittingRequest, type MadeRequest } from './request-maker.ts';

/** Requests of both tenants together. */
const requestCount = 10_000;
/** No request starts after this time, in milliseconds. PostgreSQL takes longer for the same number. */
const timeLimit = testPostgres === undefined ? 55_000 : 240_000;
/** Minimum number of requests, even on a slow machine. */
const leastRequests = 1000;

test('tenants stay intact and isolated under any request, and the document describes every answer', async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const app = await openTestApp(t);
  const url = await listen(app);
  const document = JSON.parse((await app.text('/openapi.json')).text);
  const shared = { app, url, document: new ApiDocument(document), owners: new Map<string, string>() };
  const routes = shared.document.operations;
  const first = await Side.open(shared, app.tenant, 'aurora', 'basalt');
  const second = await Side.open(shared, app.other, 'basalt', 'aurora');
  const started = performance.now();
  const run = async (own: Side, other: Side, salt: number) => {
    for (let i = 0; i < requestCount / 2; i++) {
      if (i >= leastRequests / 2 && performance.now() - started > timeLimit) break;
      const dice = new Dice(seed + salt + i * 2);
      await own.ask(dice, other, `seed ${seed}, ${own.marker} ${i}`);
    }
  };
  await Promise.all([run(first, second, 0), run(second, first, 1)]);

  const succeeded = new Set([...first.succeeded, ...second.succeeded]);
  t.diagnostic(`${first.asked + second.asked} requests, ${first.taken + second.taken} successes`);
  assert.ok(first.asked + second.asked >= leastRequests);
  // Sign-in and the own account take a person, whom the API key of this test is not.
  const ofKeys = routes.filter(({ path }) => !/^\/(sign-in|tenants\/me)(\/|$)/.test(path));
  const never = ofKeys.map(({ method, path }) => `${method} ${path}`).filter((route) => !succeeded.has(route));
  t.diagnostic(`never succeeded: ${never.join(', ') || 'none'}`);
  assert.ok(never.length < ofKeys.length / 4, `most routes succeed at times, but not ${never.join(', ')}`);
});

// biome-ignore lint/suspicious/noExplicitAny: answers and documents are looked into freely
type Json = any;

interface Shared {
  readonly app: TestApp;
  readonly url: string;
  readonly document: ApiDocument;
  /** Owner of an id or a secret: the tenant that first received it in an answer. */
  readonly owners: Map<string, string>;
}

interface RawAnswer {
  readonly status: number;
  readonly type: string;
  readonly allow: string | undefined;
  readonly text: string;
}

/**
 * Operations whose success has no body but whose dry run has one at the same status; the document describes only the
 * body.
 */
const emptyOrPlan = '/tenants/users/{id}/roles';

/** Answers without an end: the test reads the first piece of each. */
const streams: readonly string[] = ['/tenants/changes', '/tenants/live'];

const longWord = /[A-Za-z0-9_-]{30,}/g;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** One of the two tenants, with its known ids. */
class Side {
  readonly marker: string;
  readonly ids = new Map<string, string[]>();
  readonly succeeded = new Set<string>();
  asked = 0;
  taken = 0;
  #revision = 0;
  readonly #shared: Shared;
  readonly #tenant: TestTenant;
  readonly #foreignMarker: string;

  private constructor(shared: Shared, tenant: TestTenant, marker: string, foreignMarker: string) {
    this.#shared = shared;
    this.#tenant = tenant;
    this.marker = marker;
    this.#foreignMarker = foreignMarker;
  }

  static async open(shared: Shared, tenant: TestTenant, marker: string, foreignMarker: string): Promise<Side> {
    const side = new Side(shared, tenant, marker, foreignMarker);
    for (const family of ['roles', 'groups', 'protocols', 'admission-rules', 'policies']) {
      const { json } = await shared.app.request('GET', `/tenants/${family}`, { key: tenant.key });
      side.ids.set(
        family,
        (json.data ?? json).map(({ id }: { id: string }) => id),
      );
      side.#learn(json, JSON.stringify(json));
    }
    side.#revision = await revisionOf(shared.app, tenant);
    return side;
  }

  async ask(dice: Dice, other: Side, place: string): Promise<void> {
    const routes = this.#shared.document.operations;
    const material = { schemas: this.#shared.document.schemas, marker: this.marker, ids: this.ids };
    let route = dice.of(routes);
    // Otherwise the objects would soon be used up.
    if (route.method === 'DELETE' && dice.chance(0.6)) route = dice.of(routes);
    const fitting = fittingRequest(dice, route, material);
    const asked = dice.chance(0.5) ? fitting : spoilt(dice, fitting, [...other.ids.values()].flat());
    const answer = await this.#send(asked);
    this.asked++;
    try {
      await this.#judge(asked, answer);
    } catch (error) {
      const shown = `${place}: ${JSON.stringify(asked)} answers ${answer.status} ${answer.text.slice(0, 1000)}`;
      throw new Error(shown, { cause: error });
    }
  }

  async #judge(asked: MadeRequest, answer: RawAnswer): Promise<void> {
    const { status, text } = answer;
    assert.ok(status < 500, 'the server is to blame');
    this.#assertOwn(asked, text);
    const revision = await revisionOf(this.#shared.app, this.#tenant);
    const dry = asked.query.some(([name, value]) => name === 'dry-run' && value === 'true');
    const reads = asked.method === 'GET' || asked.method === 'HEAD';
    if (status >= 400 || reads || dry) assert.equal(revision, this.#revision, 'nothing changes');
    this.#revision = revision;
    const route = this.#shared.document.operationOf(asked);
    const head = asked.method === 'HEAD';
    if (status >= 400) this.#assertProblem(asked, answer, route, head);
    else if (route === undefined) assert.fail('what succeeds is in the document');
    else if (head) assert.equal(text, '', 'HEAD has no body');
    else this.#assertFits(asked, answer, route);
  }

  /** Checks that the document lists this failure for the operation. Without an operation, path or method are wrong. */
  #assertProblem(
    { path }: MadeRequest,
    { status, type, text, allow }: RawAnswer,
    route: DocumentedOperation | undefined,
    head: boolean,
  ): void {
    assert.equal(type, 'application/problem+json');
    assert.equal(status === 405, allow !== undefined, 'Allow comes with 405, and with nothing else');
    if (head) assert.equal(text, '', 'HEAD has no body');
    if (head && status === 405) return;
    const { document } = this.#shared;
    const problem = head ? undefined : JSON.parse(text);
    if (problem !== undefined) {
      const entry = errorCatalogue[problem.code as keyof typeof errorCatalogue];
      assert.deepEqual([problem.status, entry?.status], [status, status]);
    }
    // An invalid URL path is unknown, whatever its beginning.
    if (problem?.code === 'route_not_found' && /%(?![0-9A-Fa-f]{2})/.test(path)) return;
    if (route === undefined) {
      if (problem !== undefined) assert.ok(['route_not_found', 'method_not_allowed'].includes(problem.code));
      return;
    }
    const schema = document.contentOf(route, status)?.[type]?.schema;
    assert.ok(schema !== undefined, `${status} ${type} is in the document`);
    if (problem !== undefined) assert.deepEqual(misfits(problem, schema, document.schemas), []);
  }

  #assertFits(asked: MadeRequest, { status, type, text }: RawAnswer, route: DocumentedOperation): void {
    const { document } = this.#shared;
    assert.deepEqual(document.misfitsOf(route, asked), [], 'the document does not allow what was taken');
    this.taken++;
    this.succeeded.add(`${route.method} ${route.path}`);
    const content = document.contentOf(route, status);
    assert.ok(content !== undefined, `${status} is in the document`);
    const schema = content[type.split(';')[0] ?? '']?.schema;
    if (schema === undefined && route.path !== emptyOrPlan) assert.deepEqual([text, content], ['', {}]);
    if (schema !== undefined) for (const piece of pieces(type, text)) this.#keep(route, status, piece, schema);
  }

  /** Checks one part of a success and records ids for later requests. */
  #keep(route: DocumentedOperation, status: number, piece: Json, schema: Schema): void {
    this.#learn(piece, JSON.stringify(piece));
    assert.deepEqual(misfits(piece, schema, this.#shared.document.schemas), []);
    const add = (family: string, ids: readonly string[]) =>
      this.ids.set(family, [...(this.ids.get(family) ?? []), ...ids]);
    const family = /^\/tenants\/([a-z-]+)$/.exec(route.path)?.[1];
    if (status !== 201 || family === undefined) return;
    add(
      family,
      [piece].flat().map(({ id }) => id),
    );
    if (family === 'resources')
      add(
        'addresses',
        piece.addresses.map((address: Json) => address.id),
      );
  }

  /** Checks that the answer contains nothing of the other tenant, except what this request named. */
  #assertOwn(asked: MadeRequest, text: string): void {
    assert.ok(!text.includes(this.#foreignMarker), 'a text of the other tenant');
    const named = JSON.stringify(asked);
    for (const [word] of text.matchAll(longWord)) {
      const owner = this.#shared.owners.get(word);
      assert.ok(owner === undefined || owner === this.marker || named.includes(word), `${word} is of the other tenant`);
    }
  }

  #learn(value: Json, text: string): void {
    const { owners } = this.#shared;
    const take = (word: string) => owners.has(word) || owners.set(word, this.marker);
    for (const [word] of text.matchAll(longWord)) if (uuid.test(word)) take(word);
    for (const item of [value?.data ?? value].flat())
      for (const secret of [item?.token, item?.key])
        if (typeof secret === 'string') for (const [word] of secret.matchAll(longWord)) take(word);
  }

  async #send({ method, path, query, headers, body }: MadeRequest): Promise<RawAnswer> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const type = payload === undefined ? {} : { 'content-type': 'application/json' };
    const all = { apikey: this.#tenant.key, ...type, ...headers };
    const target =
      path +
      (query.length === 0
        ? ''
        : `?${new URLSearchParams(query.map(([name, value]): [string, string] => [name, value]))}`);
    if (streams.includes(path)) return overSocket(this.#shared.url + target, method, all, payload);
    const answer = await this.#shared.app.app.server.inject({
      method: method as 'GET',
      url: target,
      headers: all,
      ...(payload === undefined ? {} : { payload }),
    });
    return rawAnswer(answer.statusCode, answer.headers, answer.payload);
  }
}

const rawAnswer = (status: number, headers: Readonly<Record<string, unknown>>, text: string): RawAnswer => ({
  status,
  type: String(headers['content-type'] ?? ''),
  allow: headers.allow === undefined ? undefined : String(headers.allow),
  text,
});

/** Reads the first part of a stream, or the whole of any other answer. */
async function overSocket(
  url: string,
  method: string,
  headers: Record<string, string>,
  payload?: string,
): Promise<RawAnswer> {
  const request = httpRequest(url, { method, headers, agent: false });
  request.end(payload);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const type = String(answer.headers['content-type'] ?? '');
  let text = '';
  for await (const part of answer.setEncoding('utf8')) {
    text += part;
    if (type.startsWith('text/event-stream') && text.includes('\n\n')) break;
  }
  request.destroy();
  return rawAnswer(answer.statusCode ?? 0, answer.headers, text);
}

/** Parses JSON, lines of JSON, or the data of complete events. */
function pieces(type: string, text: string): unknown[] {
  if (type.startsWith('application/x-ndjson'))
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  if (!type.startsWith('text/event-stream')) return [JSON.parse(text)];
  const whole = text.slice(0, text.lastIndexOf('\n\n') + 1);
  return [...whole.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data));
}
