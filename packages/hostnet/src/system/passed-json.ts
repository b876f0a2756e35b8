import type { ProbeTarget } from '../firewall/probe-rules.ts';
import { bad, elements, integer, isObject, nftObjects, text, unwrap } from './nft-json.ts';

/** Reads a listing of the sets that record datagrams of probes. Throws `bad-output`. */
export function readPassed(answer: unknown): ProbeTarget[] {
  const sets = nftObjects(answer).filter(({ kind }) => kind === 'set');
  return sets.flatMap(({ body }) =>
    elements(body).map((element): ProbeTarget => {
      const key = unwrap(element);
      if (!isObject(key) || !Array.isArray(key.concat)) throw bad('a note of a probe is no pair');
      return { address: text(key.concat[0]), port: integer(key.concat[1]), protocol: 'udp' };
    }),
  );
}
