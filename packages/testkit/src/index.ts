export * from './cleanup.ts';
export * from './clock.ts';
export * from './daemon.ts';
export * from './host.ts';
export type { Received } from './host-sockets.ts';
export * from './nat.ts';
export * from './netns.ts';
export * from './udp-socket.ts';
export * from './wait.ts';
