export { readBounded } from '../bounds.ts';
export { DnsReply } from './dns.ts';
export * from './gateway-status.ts';
export * from './messages.ts';
export * from './nat.ts';
export * from './status.ts';
export * from './upgrade.ts';
