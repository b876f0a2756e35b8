import { basename } from 'node:path';
import type { Command } from 'commander';
import { applySteps } from '../declared/apply.ts';
import { parseDeclaration } from '../declared/document.ts';
import { exportedValue, exportTenant } from '../declared/export.ts';
import { planFor } from '../declared/plan.ts';
import { planJson, renderPlan, stepLine } from '../declared/plan-view.ts';
import { findSecrets } from '../declared/secrets.ts';
import type { Step } from '../declared/steps.ts';
import { readTenant } from '../declared/tenant.ts';
import { exitCodes, Failure, usage } from '../failure.ts';
import { readText, writeSecret } from '../files.ts';
import { ask } from '../prompt.ts';
import { readAll, type Session } from '../session.ts';
import { jsonLine } from '../text.ts';

interface ExportFlags {
  readonly file?: string;
  readonly force?: boolean;
}

interface ApplyFlags {
  readonly file: string;
  readonly prune?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

const APPLY_HELP = `
The command first shows a plan: objects to create, update, delete and put in order. Objects that the file omits stay.
With --prune, objects that a section of the file omits are deleted. The first failure stops the command; the next run
continues from there. A second run changes nothing.

With --dry-run, the exit code is 0 when there is nothing to do, and ${exitCodes.differs} when there is.

Examples:
  sally export -f tenant.yaml
  sally apply -f tenant.yaml --dry-run
  sally apply -f tenant.yaml --prune --yes`;

/** Adds `sally export` and `sally apply`. */
export function addDeclared(program: Command, session: Session): void {
  program
    .command('export')
    .description('write the declared state of this tenant to a file, without devices and secrets; with --json as JSON')
    .option('-f, --file <file>', 'file to write; - is standard output', '-')
    .option('--force', 'replace the file')
    .action(async (flags: ExportFlags) => exportTo(session, flags));
  program
    .command('apply')
    .description('bring this tenant to the state that a file declares: plan, confirm, carry out')
    .requiredOption('-f, --file <file>', 'file to read; - is standard input')
    .option('--prune', 'delete objects that the sections of the file omit')
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'show the plan and write nothing')
    .addHelpText('after', APPLY_HELP)
    .action(async (flags: ApplyFlags) => apply(session, flags));
}

async function exportTo(session: Session, { file = '-', force }: ExportFlags): Promise<void> {
  const tenant = await readTenant(await session.api());
  const text = session.json ? jsonLine(exportedValue(tenant)) : exportTenant(tenant);
  if (file === '-') return void session.out(text);
  await writeSecret(file, text, { replace: force === true });
  session.note(`Wrote ${file} (only you can read it).`);
}

async function apply(session: Session, flags: ApplyFlags): Promise<void> {
  const { file, yes = false, dryRun = false, prune = false } = flags;
  if (session.json && !yes && !dryRun) throw usage('--json does not ask for confirmation', 'Give --yes or --dry-run.');
  const text = file === '-' ? await readAll(session.io.stdin) : await readText(file);
  if (text === undefined) throw usage(`There is no file ${file}`);
  const name = file === '-' ? 'standard input' : basename(file);
  const declaration = parseDeclaration(text, name);
  await findSecrets(declaration, session.io);
  const api = await session.api();
  const steps = planFor(declaration, await readTenant(api), { prune, file: name });
  if (!session.json) session.out(renderPlan(steps, session.colour));
  if (dryRun) return reportDryRun(session, steps);
  if (steps.length > 0) {
    if (!yes) await confirm(session, steps.length);
    await applySteps(api, steps, (step) => session.note(`Done: ${stepLine(step)}`));
  }
  if (session.json) session.out(planJson(steps, true));
}

function reportDryRun(session: Session, steps: readonly Step[]): void {
  if (session.json) session.out(planJson(steps, false));
  else session.out('Nothing was written.\n');
  if (steps.length > 0)
    throw new Failure(exitCodes.differs, 'The tenant differs from the file', {
      hint: 'Run the command without --dry-run to apply the file.',
    });
}

async function confirm(session: Session, steps: number): Promise<void> {
  if (session.io.stdin.isTTY !== true)
    throw usage(
      'There is no terminal for the confirmation, so nothing was written',
      'Give --yes to carry the plan out, or --dry-run to see it.',
    );
  const answer = await ask(session.io, `Carry out ${steps === 1 ? 'this step' : `these ${steps} steps`}? [y/N] `);
  if (!/^(y|yes)$/i.test(answer.trim())) throw new Failure(exitCodes.failed, 'Nothing was written');
}
