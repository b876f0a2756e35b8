import { agentChecks } from './checks/agents.ts';
import { controllerChecks } from './checks/controller.ts';
import { networkChecks } from './checks/network.ts';
import { systemChecks } from './checks/system.ts';
import { skipped, warning } from './findings.ts';
import type { Check, Finding, Place, Probe, Result } from './types.ts';

/** Every check, in the order of the report. */
export const checks: readonly Check[] = [...systemChecks, ...networkChecks, ...agentChecks, ...controllerChecks];

/** Findings of one check. */
export interface Examined {
  readonly id: string;
  readonly title: string;
  readonly findings: readonly Finding[];
}

/** What was found on a host. */
export interface Report {
  readonly version: string;
  readonly roles: Place['roles'];
  readonly controller: string | null;
  readonly checks: readonly Examined[];
  /** The worst result. */
  readonly result: Exclude<Result, 'skipped'>;
}

/** Runs every check, one after another. A check that fails itself is a finding, too. */
export async function examine(probe: Probe, place: Place, all: readonly Check[] = checks): Promise<Report> {
  const examined: Examined[] = [];
  for (const { id, title, roles, beforehand, run } of all) {
    const isFresh = place.roles.length === 0 && beforehand === true;
    const concerns = roles === undefined || isFresh || roles.some((role) => place.roles.includes(role));
    const found = concerns
      ? await run(probe, place).catch((error: unknown) =>
          warning(`This check failed: ${(error as Error).message}`, 'Report it, with the file of --bundle.'),
        )
      : skipped(`for a ${roles.join(' or ')} only`);
    examined.push({ id, title, findings: [found].flat() });
  }
  const results = examined.flatMap(({ findings }) => findings.map(({ result }) => result));
  const result = results.includes('problem') ? 'problem' : results.includes('warning') ? 'warning' : 'ok';
  return { version: probe.version, roles: place.roles, controller: place.controller, checks: examined, result };
}

const marks: Readonly<Record<Result, string>> = {
  ok: 'ok',
  warning: 'WARNING',
  problem: 'PROBLEM',
  skipped: 'skipped',
};

/** Returns the report for people. */
export function reportText({ version, roles, checks, result }: Report): string {
  const here = roles.length === 0 ? 'nothing of Sallyport runs here yet' : roles.join(', ');
  const lines = checks.flatMap(({ title, findings }) =>
    findings.flatMap(({ result, text, advice }) => [
      `${marks[result].padEnd(8)} ${title}: ${text}`,
      ...(advice === undefined ? [] : [`         To do: ${advice}`]),
    ]),
  );
  const end = {
    ok: 'No problem was found.',
    warning: 'There are warnings, and no problem.',
    problem: 'There are problems.',
  };
  return `Sallyport ${version} on this host: ${here}\n\n${lines.join('\n')}\n\n${end[result]}\n`;
}
