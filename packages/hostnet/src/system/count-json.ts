import { ANSWER_SECONDS, ANSWER_SETS, type Answering, COUNT_SETS, type FoundCounts } from '../client/counts.ts';
import { bad, elements, integer, isObject, type JsonObject, nftObjects, readCount, readKey, text } from './nft-json.ts';

/**
 * Reads a listing of the client's sets: packet counts of elements, and the addresses that answered. Throws
 * `bad-output`.
 */
export function readTraffic(answer: unknown): { readonly counts: FoundCounts; readonly answering: Answering[] } {
  const counts = new Map<string, ReadonlyMap<string, number>>();
  const answering: Answering[] = [];
  for (const { kind, body } of nftObjects(answer)) {
    const name = kind === 'set' ? text(body.name) : '';
    if (isOne(COUNT_SETS, name)) counts.set(name, readCounts(body));
    if (isOne(ANSWER_SETS, name)) answering.push(...elements(body).map(readAnswering));
  }
  return { counts, answering };
}

function readCounts(body: JsonObject): Map<string, number> {
  return new Map(
    elements(body).map((element) => {
      const { counter } = inside(element);
      return [readKey(element, true), readCount(isObject(counter) ? counter : {}).packets];
    }),
  );
}

function readAnswering(element: unknown): Answering {
  const { val, expires } = inside(element);
  const pair = isObject(val) && Array.isArray(val.concat) ? val.concat : [val, null];
  const port = pair[1] === null ? null : integer(pair[1]);
  return { address: text(pair[0]), port, agoMs: (ANSWER_SECONDS - integer(expires)) * 1_000 };
}

function inside(element: unknown): JsonObject {
  const inner = isObject(element) ? element.elem : undefined;
  if (!isObject(inner)) throw bad('an element has only a key');
  return inner;
}

function isOne(names: readonly string[], name: string): boolean {
  return names.includes(name);
}
