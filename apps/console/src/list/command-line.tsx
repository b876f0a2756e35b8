import { Copy } from '../kit/kit.tsx';
import type { ListDefinition, Row } from './definition.ts';
import { type Chip, filterParameters, type Sort, writtenSort } from './filters.ts';
import { Menu } from './menu.tsx';
import { shellWord } from './shell-word.ts';

/** Shows the line of `sally` that prints the same list. */
export function CommandLine<T extends Row>(props: {
  list: ListDefinition<T>;
  q: string;
  chips: readonly Chip[];
  sort: Sort | null;
}) {
  return (
    <Menu look="plain" text="As CLI">
      {() => <Line {...props} />}
    </Menu>
  );
}

function Line<T extends Row>({
  list,
  q,
  chips,
  sort,
}: {
  list: ListDefinition<T>;
  q: string;
  chips: readonly Chip[];
  sort: Sort | null;
}) {
  const line = listCommand(list, q, chips, sort);
  return (
    <div className="stack tight">
      <code className="codeblock">{line}</code>
      <div>
        <Copy text={line} />
      </div>
    </div>
  );
}

/** Returns the line of `sally` that prints a list. */
function listCommand<T extends Row>(
  { command, filters, plainFilters }: ListDefinition<T>,
  q: string,
  chips: readonly Chip[],
  sort: Sort | null,
): string {
  const conditions = plainFilters
    ? chips.flatMap(({ field, values }) => [`--${field}`, shellWord(values[0] ?? '')])
    : filterParameters(chips, filters).flatMap(([name, value]) => [
        '--filter',
        shellWord(`${name.replace(/^filter\[([^\]]*)\]/, '$1')}=${value}`),
      ]);
  const options = [
    ...(q.trim() === '' ? [] : ['--search', shellWord(q.trim())]),
    ...conditions,
    // With `=`, a leading minus is no option.
    ...(sort === null ? [] : [`--sort=${shellWord(writtenSort(sort))}`]),
  ];
  return ['sally', command, 'list', ...options].join(' ');
}
