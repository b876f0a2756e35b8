import { parseEndpoint } from '@sallyport/contract';
import { canonicalPrefix } from '@sallyport/ip';
import { z } from 'zod';
import { defaultQuotas, type QuotaLimits, quotaNames } from './budgets/quotas.ts';
import { overlayRefusal } from './overlay/range.ts';
import { namesRefusal } from './overlay/range-of-names.ts';

const listenForm = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/;

/** Schema of `host:port`, with so many ports from the one that is named. */
export const listen = (ports: number, hint: string) =>
  z.string().transform((text, context) => {
    const match = listenForm.exec(text);
    const port = Number(match?.[3] ?? Number.NaN);
    if (match !== null && port <= 65536 - ports) return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
    context.addIssue(`must be host:port, ${hint}`);
    return z.NEVER;
  });

/** Schema of `host:port` or `off`, which is null. */
export const listenOrOff = (ports: number, hint: string) =>
  z
    .string()
    .transform((text) => (text === 'off' ? null : text))
    .pipe(listen(ports, hint).nullable());

/** Paths of ours that a base path would hide. */
const reserved = ['healthz', 'readyz', 'openapi.json', 'docs', 'agent', 'console'];
/** Schema of the path in front of the API. */
export const basePath = z
  .string()
  .regex(/^(\/[A-Za-z0-9._~-]+)*$/, 'must be empty or like /qa')
  .refine((text) => !reserved.includes(text.split('/')[1] ?? ''), 'is a path that the controller needs itself');

/** Schema of the address that others get. */
export const publicUrl = z
  .url({ protocol: /^https?$/ })
  .refine((text) => !/[?#]/.test(text), 'takes no query and no fragment');

/** Schema of the network of addresses in the tunnel. */
export const overlay = z.string().superRefine((text, context) => {
  const refusal = overlayRefusal(text);
  if (refusal !== null) context.addIssue(refusal);
});

/** Schema of the network of addresses that stand for names. */
export const virtualRange = z.string().superRefine((text, context) => {
  const refusal = namesRefusal(text);
  if (refusal !== null) context.addIssue(refusal);
});

/** Schema of a list of addresses and prefixes. */
export const prefixes = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .refine(
    (list) => list.every((text) => canonicalPrefix(text) !== null),
    'must be IP addresses or prefixes, with commas between',
  );

/** Schema of where agents reach the beacon. */
export const beaconEndpoint = z.string().transform((text, context) => {
  const parsed = parseEndpoint(text);
  if (parsed !== null && parsed.port !== 65535) return parsed;
  context.addIssue('must be a host name or IP address, with an optional port below 65535');
  return z.NEVER;
});

/** Schema of the quotas of a tenant. */
export const quotas = z.string().transform((text, context): QuotaLimits => {
  const given = text.split(',').filter((part) => part.trim() !== '');
  const limits: Record<string, number> = {};
  for (const part of given) {
    const [, name = '', most = ''] = /^\s*([a-z-]+)=(\d{1,9})\s*$/.exec(part) ?? [];
    if (!(quotaNames as string[]).includes(name)) {
      context.addIssue(`must be like devices=500,gateways=20; it takes ${quotaNames.join(', ')}`);
      return z.NEVER;
    }
    limits[name] = Number(most);
  }
  return { ...defaultQuotas, ...limits };
});
