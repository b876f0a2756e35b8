import { Batch, BatchAnswer, mostWrites } from '../http/batch.ts';
import { define, dryRunQuery, type Operation } from './define.ts';
import { failuresOf } from './failures.ts';

/** Returns whether a batch can hold an operation: a write that has a dry run and needs no fresh sign-in. */
export const isBatchable = ({ right, dryRun, fresh }: Operation): boolean =>
  right === 'write' && dryRun === true && fresh === undefined;

/** Returns the operation that makes several writes as one. Its errors are those of all the writes. */
export const batchOperations = (others: Readonly<Record<string, Operation>>) =>
  define({
    writeBatch: {
      method: 'POST',
      path: '/tenants/batch',
      tag: 'Batches',
      right: 'write',
      summary: `Make up to ${mostWrites} writes as one: all of them, or none`,
      description:
        'The writes are made in order, in one transaction and under one revision. Each has the form of the request that ' +
        'would make it alone. A batch can hold every write that has a dry run and needs no fresh sign-in. The first ' +
        'failure undoes the whole batch; the pointers of `errors` begin with `/writes/` and the place of the write. ' +
        'A batch counts as so many writes against the rate of the tenant.',
      query: dryRunQuery,
      dryRun: true,
      body: Batch,
      status: 200,
      response: BatchAnswer,
      failures: [...new Set(Object.values(others).filter(isBatchable).flatMap(failuresOf))],
    },
  });
