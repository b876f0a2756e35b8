export { isLoopbackHost } from '../loopback.ts';

export * from './frames.ts';

export * from './hash.ts';
export * from './messages.ts';
export * from './naming.ts';
export { provePossession } from './possession.ts';
export * from './seal.ts';
export * from './state.ts';
export * from './succession.ts';
export * from './token.ts';
export * from './upgrade.ts';
