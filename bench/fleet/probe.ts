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
  /**
   * Most processor time between two looks since the last question, milliseconds: what the longest stall takes on a machine
   * that does nothing else.
   */
  readonly held: number;
}

const sampleMs = 5;
const delay = monitorEventLoopDelay({ resolution: sampleMs });
delay.enable();

let lookedAt = process.threadCpuUsage();
let held = 0;
setInterval(() => {
  const { user, system } = process.threadCpuUsage(lookedAt);
  lookedAt = process.threadCpuUsage();
  held = Math.max(held, (user + system) / 1e3 - sampleMs);
}, sampleMs).unref();

const server = createServer((_, response) => {
  const { user, system } = process.cpuUsage();
  const stall = Math.max(0, delay.max / 1e6 - sampleMs);
  delay.reset();
  const cpu = (user + system) / 1e6;
  const usage: Usage = { cpu, kernel: system / 1e6, resident: process.memoryUsage.rss(), stall, held };
  held = 0;
  response.end(JSON.stringify(usage));
});
server.listen(Number(process.env.FLEET_PROBE_PORT), '127.0.0.1');
server.unref();
