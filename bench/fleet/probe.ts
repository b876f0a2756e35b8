import { createServer } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';

// Loaded into the controller with `--import`. Answers on loopback with what the process has used.

/** Figures of the controller's process. */
export interface Usage {
  /** CPU seconds since its start. */
  readonly cpu: number;
  /** The part of it that the kernel took. */
  readonly kernel: number;
  /** Resident memory, bytes. */
  readonly resident: number;
  /** Longest time that the event loop was held since the last question, milliseconds. */
  readonly stall: number;
}

const sampleMs = 5;
const delay = monitorEventLoopDelay({ resolution: sampleMs });
delay.enable();

const server = createServer((_, response) => {
  const { user, system } = process.cpuUsage();
  const stall = Math.max(0, delay.max / 1e6 - sampleMs);
  delay.reset();
  const usage: Usage = { cpu: (user + system) / 1e6, kernel: system / 1e6, resident: process.memoryUsage.rss(), stall };
  response.end(JSON.stringify(usage));
});
server.listen(Number(process.env.FLEET_PROBE_PORT), '127.0.0.1');
server.unref();
