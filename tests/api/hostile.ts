import type { Dice } from './dice.ts';
import type { MadeRequest } from './request-maker.ts';

const odd: readonly unknown[] = [
  ...[null, '', ' ', 0, -1, 1.5, 1e308, true, [], {}, [null], [[]], '0', '65536', '\u0000', '\ud800', '__proto__'],
  ...[
    'x'.repeat(5000),
    Array(50).fill('x'),
    { id: 'x' },
    { constructor: 1 },
    '1.2.3.4/33',
    'not-a-uuid',
    "'; DROP TABLE users",
  ],
  ...['{{7*7}}', '../../etc/passwd', '<script>', '\u202eabc', '2026-02-30T00:00:00Z', '%00', 'NaN', 2 ** 53 + 2],
];
const oddText = odd.filter((value) => typeof value === 'string');
const oddPath = [
  '%00',
  '..%2f..',
  'x',
  '0',
  '%F0%9F%98%80',
  '%',
  'a'.repeat(190),
  'a'.repeat(230),
  'a'.repeat(5000),
  'reorder',
  '00000000-0000-4000-8000-000000000000',
];
const oddHeaders: readonly (readonly [string, string])[] = [
  ['content-type', 'text/plain'],
  ['content-type', 'application/x-www-form-urlencoded'],
  ['content-type', 'application/json; charset=latin1'],
  ['if-match', '"0"'],
  ['if-match', 'W/"1", *, nonsense'],
  ['idempotency-key', 'shared-by-both-tenants'],
  ['idempotency-key', 'x'.repeat(400)],
  ['idempotency-key', ''],
  ['idempotency-key', 'with a blank'],
  ['last-event-id', '-1'],
  ['last-event-id', 'nonsense'],
  ['x-request-id', "'; DROP"],
  ['accept', 'text/html'],
  ['apikey', 'wrong'],
  ['apikey', ''],
  ['authorization', 'Bearer x'],
];

const oddMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'LINK'];
const oddParameters = [
  ...['unheardOf', 'limit', 'offset', 'sort', 'from', 'to', 'since', 'device', 'groups', 'rolesOnly', 'dry-run'],
  ...['filter[a', 'filter[id]', 'filter[name][like]', 'filter[status][in]', '__proto__'],
];

/** Returns the same request with one wrong or surprising part. `foreign` holds ids of another tenant. */
export function spoilt(dice: Dice, request: MadeRequest, foreign: readonly string[]): MadeRequest {
  const header = dice.of(oddHeaders);
  const ways: (() => MadeRequest)[] = [
    () => ({ ...request, method: dice.of(oddMethods) }),
    () => ({ ...request, headers: { ...request.headers, [header[0]]: header[1] } }),
    () => ({
      ...request,
      query: [...request.query, [dice.of(oddParameters), dice.of(oddText)]],
    }),
    () => ({ ...request, path: withSegment(request.path, dice.of(oddPath)) }),
    () => ({ ...request, path: withSegment(request.path, dice.of(foreign)) }),
  ];
  if (request.body === undefined) return dice.of(ways)();
  const body = () => ({ ...request, body: withOdd(dice, request.body, foreign) });
  const whole = () => ({ ...request, body: dice.of(odd) });
  return dice.of([...ways, body, body, body, body, body, body, whole])();
}

const id = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

/** Replaces an id in a path, or appends to a path without one. */
function withSegment(path: string, segment: string): string {
  return id.test(path) ? path.replace(id, segment) : `${path}/${segment}`;
}

function withOdd(dice: Dice, body: unknown, foreign: readonly string[]): unknown {
  // Only in place of an id: a free text would be stored and later correctly returned.
  if (typeof body === 'string' && id.test(body) && dice.chance(0.5)) return dice.of(foreign);
  if (typeof body !== 'object' || body === null) return dice.of(odd);
  if (Array.isArray(body)) return body.map((item) => (dice.chance(0.5) ? withOdd(dice, item, foreign) : item));
  const key = dice.of([...Object.keys(body), 'unheardOf']);
  const { [key]: value, ...rest } = body as Record<string, unknown>;
  return dice.chance(0.2) ? rest : { ...rest, [key]: withOdd(dice, value, foreign) };
}
