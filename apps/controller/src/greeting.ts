import type { Started } from './start.ts';

/**
 * What a newcomer reads once the controller is up: where it is, how to get in, what to type next. `setUp`: the set-up link,
 * or where it stands.
 */
export function greeting(
  { localUrl, publicUrl, firstKey }: Pick<Started, 'localUrl' | 'publicUrl' | 'firstKey'>,
  setUp: string | null,
  gateway: { readonly text: string; readonly running: boolean },
): string {
  const rows = [
    ['Address', publicUrl === localUrl ? publicUrl : `${publicUrl} (here: ${localUrl})`],
    ...(setUp === null ? [] : [['Set-up', `${setUp}\n            makes you the owner; good once, for 24 hours`]]),
    ['API', `${localUrl}/docs`],
    ['API key', keyText(firstKey)],
    ['Gateway', gateway.text],
  ];
  const table = rows.map(([label = '', text]) => `  ${label.padEnd(9)} ${text}`).join('\n');
  return `\nSallyport is ready.\n\n${table}\n\nNext, in another terminal:\n\n${nextCommands}\n${gateway.running ? stopWithGateway : stopAlone}`;
}

function keyText(firstKey: Started['firstKey']): string {
  if (firstKey === null) return 'the one you have (all lost? npx sally tenants key default recovery)';
  return firstKey.given
    ? 'the one given as SALLYPORT_BOOTSTRAP_API_KEY'
    : `${firstKey.key}\n            shown this once only: keep it`;
}

const nextCommands = `  npx sally login     asks for the API key and remembers it
  npx sally status    shows gateways, resources, devices and policies
`;

const stopWithGateway = `Ctrl-C stops the controller and takes the tunnels of the local gateway down with it.
`;
const stopAlone = `Ctrl-C stops the controller. Gateways on other machines go on without it.
`;
