import type { DnsReply } from '@sallyport/contract/local';
import { clean } from '@sallyport/contract/text';

type Row = readonly [string, string];

/** Formats the explanation of a name for people. */
export function dnsText(reply: DnsReply): string {
  const { name, resources, addresses, gateway, answers, host, by, advice } = reply;
  const known = addresses.length > 0;
  const rows: Row[] = [
    ['name', name],
    ['resource', resources.length === 0 ? noResource(known) : resources.map(({ name }) => name).join(', ')],
    ...(known ? ([['virtual', addresses.join(', ')]] as Row[]) : []),
    ...(known
      ? ([['gateway', gateway === null ? 'none' : `${gateway.name}, ${gateway.path ?? 'no path'}`]] as Row[])
      : []),
    ...answers.map((answer): Row => [known ? 'it answers' : 'resolver', `${answerText(answer)} (${answer.server})`]),
    ['this host', `${answerText(host)}${by === null ? '' : `, by ${by}`}`],
  ];
  const text = rows.map(([what, value]) => `${what.padEnd(12)} ${clean(value)}\n`).join('');
  return `${text}${advice.map((line) => `\n${clean(line)}\n`).join('')}`;
}

const noResource = (known: boolean): string =>
  known ? 'not known' : 'none that this device may reach, so its own resolvers are asked';

function answerText({ result, addresses, ms }: DnsReply['host']): string {
  return `${result === 'OK' ? addresses.join(', ') : result} in ${ms} ms`;
}
