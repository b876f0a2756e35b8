export { readBounded } from '../bounds.ts';
export * from './messages.ts';
export * from './status.ts';
