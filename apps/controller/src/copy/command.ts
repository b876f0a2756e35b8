import { databaseOf } from '../database-config.ts';
import { OperatorError } from '../errors.ts';
import { type CopyCommand, copyHelp } from './arguments.ts';

/** Carries the copy out. Returns what to print. Throws OperatorError. */
export async function carryOutCopy({ direction, dataDir, url, directUrl, caFile, json }: CopyCommand): Promise<string> {
  if (direction === 'help') return copyHelp;
  // The key itself is not needed: what it sealed is copied as it is.
  const place = databaseOf({
    SALLYPORT_DATABASE_URL: url ?? '',
    SALLYPORT_DATABASE_DIRECT_URL: directUrl ?? undefined,
    SALLYPORT_DATABASE_CA_FILE: caFile ?? undefined,
    SALLYPORT_MASTER_KEY_FILE: '',
  });
  if (place === null) throw new OperatorError('there is no database URL');
  const { copyFromPostgres, copyToPostgres } = await import('./copy.ts');
  const tables = await (direction === 'to' ? copyToPostgres(dataDir, place) : copyFromPostgres(place, dataDir));
  if (json) return `${JSON.stringify({ tables })}\n`;
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const next =
    direction === 'to'
      ? `Start the controller with SALLYPORT_DATABASE_URL, and with SALLYPORT_MASTER_KEY_FILE for the key in use.
Do not start it on the file again: gateways and devices take only the newer of the two.\n`
      : 'Start the controller without SALLYPORT_DATABASE_URL, with the same master key.\n';
  return `Copied and compared ${rows} rows of ${tables.length} tables.\n${next}`;
}
