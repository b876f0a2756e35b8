import type { AdmissionRule } from '@sallyport/contract';
import type { Command } from 'commander';
import { kinds, resolveId } from '../resolve.ts';
import type { Session } from '../session.ts';
import type { Column } from '../table.ts';

/** `sally rules …` */
export function addRules(program: Command, session: Session): void {
  const group = program.command('rules').alias('rule').description('admission rules: conditions of allow policies');
  group
    .command('list')
    .description('list admission rules')
    .action(async () => {
      const answer = await (await session.api()).call('listAdmissionRules');
      session.show(answer, (rules) => session.table(columns, rules));
    });
  group
    .command('get')
    .argument('<rule>', 'name or id')
    .description('show an admission rule')
    .action(async (text: string) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.rule, text);
      session.show(await api.call('getAdmissionRule', { params: { id } }), (rule) => session.table(columns, [rule]));
    });
}

const columns: readonly Column<AdmissionRule>[] = [
  { heading: 'NAME', cell: (r) => r.name },
  { heading: 'TYPE', cell: (r) => r.type },
  { heading: 'RULE', cell: (r) => r.rule ?? '-' },
  { heading: 'ID', cell: (r) => r.id },
];
