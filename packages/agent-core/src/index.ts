export * from './backoff.ts';
export * from './crypto.ts';
export * from './desired-state.ts';
export * from './session/session.ts';
export * from './session/timing.ts';
export * from './session/types.ts';
export * from './stored-state.ts';
