/** Preloaded into a daemon: prints a line for each program that it starts. */
import type { ChildProcess } from 'node:child_process';
import diagnostics from 'node:diagnostics_channel';

diagnostics.subscribe('child_process', (message) => {
  const { process: child } = message as { process: ChildProcess };
  // The arguments are set after the message.
  setImmediate(() => console.error(`started a program: ${child.spawnargs?.join(' ')}`));
});
