export * from './cleanup.ts';
export * from './clock.ts';
export * from './daemon.ts';
export * from './host.ts';
export * from './netns.ts';
export * from './wait.ts';
