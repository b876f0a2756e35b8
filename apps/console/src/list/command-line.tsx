import { Copy } from '../kit/kit.tsx';
import type { ListDefinition, Row } from './definition.ts';
import type { Chip, Sort } from './filters.ts';
import { writtenSort } from './filters.ts';
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
  const line = listCommand(list.command, q, chips, sort);
  return (
    <div className="stack tight">
      <code className="codeblock">{line}</code>
      {chips.length > 0 && <p className="muted small">The command line has no filters yet: it prints more rows.</p>}
      <div>
        <Copy text={line} />
      </div>
    </div>
  );
}

/** Returns the line of `sally` that prints a list. */
export function listCommand(command: string, q: string, _chips: readonly Chip[], sort: Sort | null): string {
  const options = [
    ...(q.trim() === '' ? [] : ['--search', shellWord(q.trim())]),
    // With `=`, a leading minus is no option.
    ...(sort === null ? [] : [`--sort=${shellWord(writtenSort(sort))}`]),
  ];
  return ['sally', command, 'list', ...options].join(' ');
}
