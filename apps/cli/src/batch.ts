import { type BatchWrite, mostWrites, type Operation, type OperationName, operations } from '@sallyport/contract';
import type { Answer } from './client.ts';
import { usage } from './failure.ts';
import type { Session, WriteFlags } from './session.ts';

/** Returns a write of a batch: the request that would make it alone. */
export function batchWrite(
  name: OperationName,
  params: Readonly<Record<string, string>>,
  rest: Pick<BatchWrite, 'body' | 'ifMatch'> = {},
): BatchWrite {
  const { method, path }: Operation = operations[name];
  if (method === 'GET') throw new TypeError(`${name} writes nothing`);
  return { method, path: path.replace(/\{(\w+)\}/g, (_, field: string) => params[field] ?? ''), ...rest };
}

/** Makes several writes as one and prints what `said` returns. A dry run prints one plan for all of them. */
export async function writeTogether(
  session: Session,
  flags: WriteFlags,
  writes: readonly BatchWrite[],
  said: string,
): Promise<void> {
  if (writes.length > mostWrites)
    throw usage(`One command changes at most ${mostWrites} objects, not ${writes.length}`);
  const answer: Answer<unknown> | undefined = await session.write('writeBatch', flags, {
    body: { writes: [...writes] },
  });
  if (answer !== undefined) session.show(answer, () => `${said}\n`);
}
