import { failureOf, stackOf, UsageError } from '@sallyport/agent-runtime';
import { cleanLines, jsonLine, safeJson } from '@sallyport/contract/text';
import { version } from '@sallyport/program/place';
import { helpText, parseCommand } from './arguments.ts';
import { writeBundle } from './bundle.ts';
import { examine, reportText } from './examine.ts';
import { findPlace } from './place.ts';
import { systemProbe } from './probe.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await main(process.argv.slice(2));
// Open connections must not keep a finished process alive.
process.exit();

async function main(args: readonly string[]): Promise<number> {
  try {
    const asked = parseCommand(args);
    if (asked === 'help' || asked === 'version') {
      process.stdout.write(asked === 'help' ? helpText : `sally doctor ${version}\n`);
      return 0;
    }
    const probe = systemProbe(version, process.env);
    const place = await findPlace(probe, asked);
    const report = await examine(probe, place);
    process.stdout.write(asked.json ? safeJson(`${JSON.stringify(report)}\n`) : cleanLines(reportText(report)));
    if (asked.bundle !== null) {
      await writeBundle(asked.bundle, probe, place, report);
      process.stderr.write(cleanLines(`Wrote ${asked.bundle}. Read it before you send it.\n`));
    }
    return report.result === 'problem' ? 1 : 0;
  } catch (error) {
    const usage = error instanceof UsageError;
    const message = usage ? error.message : failureOf(error).message + stackOf(error, process.env.SALLYPORT_DEBUG);
    const exitCode = usage ? 2 : 1;
    const line = jsonLine({ code: usage ? 'usage' : 'failed', title: message, exitCode });
    process.stderr.write(args.includes('--json') ? line : cleanLines(`sally doctor: ${message}\n`));
    return exitCode;
  }
}
