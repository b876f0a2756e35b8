import { z } from 'zod';
import { list } from '../bounds.ts';
import { line, many, word } from './status.ts';

/** Maximum length of a host name in a request. */
export const longestName = 253;

const answer = z.strictObject({
  server: word.describe('Address that was asked; `host`: what programs on this host get'),
  result: word.describe('OK, or the error, such as NXDOMAIN, REFUSED or TIMEOUT'),
  addresses: list(line, many),
  ms: z.number().nonnegative().describe('Time until the answer'),
});

/** How a host name resolves on a device, step by step. */
export const DnsReply = z.strictObject({
  type: z.literal('dns'),
  name: word.describe('In ASCII and lower case'),
  resources: list(z.strictObject({ id: word, name: word }), many).describe('Resources with this name'),
  addresses: list(line, 2).describe('Virtual addresses; none when no resource has the name'),
  gateway: z
    .strictObject({ id: word, name: word, path: word.nullable() })
    .nullable()
    .describe('Gateway that carries the name now; null: none'),
  answers: list(answer, many).describe('Answers of the gateway, or for other names of the resolvers of this host'),
  host: answer.describe('What programs on this host get'),
  by: word.nullable().describe('How this host sends names to Sallyport; null: it does not'),
  advice: list(line, many).describe('Problems, one sentence each'),
});
export type DnsReply = z.infer<typeof DnsReply>;
