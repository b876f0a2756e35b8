import { Ago } from '../kit/kit.tsx';
import type { ListColumn, Row } from '../list/definition.ts';

/** Column with the time at which an object was added. */
export const addedColumn: ListColumn<Row & { readonly createdAt?: string | undefined }> = {
  key: 'createdAt',
  head: 'Added',
  least: 120,
  grow: 0,
  end: true,
  optional: true,
  sort: 'createdAt',
  cell: ({ createdAt }) => <Ago at={createdAt} />,
};
