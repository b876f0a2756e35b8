import { execFile } from 'node:child_process';

/** Runs a program of the system to its end. Returns its output, or throws an error that says what failed. */
export type RunTool = (tool: string, ...args: readonly string[]) => Promise<string>;

const searchPath = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin';
const longestMs = 5_000;
const mostOutput = 1 << 20;

/** Returns a function that runs programs of a search path. They inherit no other variable. */
export function toolsIn(path = searchPath): RunTool {
  const env = { PATH: path, LC_ALL: 'C' };
  return (tool, ...args) =>
    new Promise((resolve, reject) => {
      execFile(tool, args, { env, timeout: longestMs, maxBuffer: mostOutput }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${tool} failed: ${stderr.trim().slice(0, 300) || error.message.slice(0, 300)}`));
      });
    });
}
