import { readFile } from 'node:fs/promises';

/** Returns `PID START` of a process; null when it does not run. The start time tells reused process ids apart. */
export async function holderText(pid: number): Promise<string | null> {
  const started = await startTime(pid);
  return started === null ? null : `${pid} ${started}`;
}

/** Returns the process id of a text of `holderText` when that process still runs; else null. */
export async function livingProcess(text: string): Promise<number | null> {
  const match = /^(\d{1,10}) (\d{1,20})$/.exec(text);
  if (match === null) return null;
  const pid = Number(match[1]);
  return (await startTime(pid)) === match[2] ? pid : null;
}

/** Start time in clock ticks after boot (proc(5), field 22 of stat). A zombie counts as ended. */
async function startTime(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
}

/** Returns the arguments and the environment of a process; empty when it does not run. */
export async function invocationOf(pid: number): Promise<{ args: string[]; env: Record<string, string> }> {
  const parts = async (name: string): Promise<string[]> =>
    (await readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')).split('\0').slice(0, -1);
  const env: Record<string, string> = {};
  for (const entry of await parts('environ')) {
    const at = entry.indexOf('=');
    if (at > 0) env[entry.slice(0, at)] = entry.slice(at + 1);
  }
  return { args: await parts('cmdline'), env };
}
