import { type PolicyType, policyMode, policyType, type RequestBody } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer, Client } from '../client.ts';
import { usage } from '../failure.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { choice, clearable, given, writes } from './options.ts';
import { addOrder } from './policy-order.ts';
import { type SubjectFlags, subjectOptions, subjects } from './policy-subjects.ts';
import { type Policy, policyColumns, showPolicy, warnOfNothing } from './policy-view.ts';

interface PolicyFlags extends SubjectFlags {
  readonly name?: string;
  readonly allow?: boolean;
  readonly deny?: boolean;
  readonly type?: PolicyType;
  readonly mode?: Policy['mode'];
  readonly rule?: string;
  readonly description?: string;
}

const EXAMPLES = `
Examples:
  sally policies create staff --allow --all-devices --resource intranet
  sally policies create no-lab --deny --device anna --resource lab --type PRIVATE
  sally policies create office --allow --group Engineering --rule 'Office hours' --all-resources
  sally policies create exit --allow --type INTERNET --group Engineering --mode INTERNET_ACCESS_POINT --gateway berlin
  sally policies create branch --allow --type SITETOSITE --source 192.168.7.0/24 --gateway paris --resource intranet
  sally policies move no-lab --top`;

/** Adds `sally policies …`. */
export function addPolicies(program: Command, session: Session): void {
  const group = program
    .command('policies')
    .alias('policy')
    .description('who may reach what: the first match from the top decides; without a match, access is denied');
  addReads(group, session);
  addCreate(group, session);
  addUpdate(group, session);
  addOrder(group, session);
}

function addReads(group: Command, session: Session): void {
  group
    .command('list')
    .description('list policies by type and order')
    .action(async () => {
      const answer = await (await session.api()).call('listPolicies');
      session.show(answer, (policies) =>
        policies.length === 0
          ? 'There are no policies yet, so nothing is reachable. Create one: sally policies create --help\n'
          : session.table(policyColumns, policies),
      );
    });
  group
    .command('get')
    .argument('<policy>', 'name or id')
    .description('show a policy')
    .action(async (text: string) => showPolicy(session, await read(await session.api(), text)));
  const remove = group.command('delete').argument('<policy>', 'name or id').description('delete a policy');
  writes(remove, 'deletePolicy').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.policy, text);
    const answer = await session.write('deletePolicy', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted policy ${clean(text)}.\n`);
  });
}

function addCreate(group: Command, session: Session): void {
  const create = group
    .command('create')
    .argument('<name>')
    .description('create a policy below those of its type')
    .option('--allow', 'allow matching traffic')
    .option('--deny', 'deny matching traffic')
    .addOption(choice('--type <type>', 'type of traffic', policyType.options).default('PRIVATE'));
  commonOptions(subjectOptions(create)).addHelpText('after', EXAMPLES);
  writes(create, 'createPolicy').action(async (name: string, flags: PolicyFlags & WriteFlags) => {
    const action = actionOf(flags);
    if (action === undefined) throw usage('A policy allows or denies', 'Give --allow or --deny.');
    const api = await session.api();
    const type = flags.type ?? 'PRIVATE';
    const lists = await subjects(api, flags, undefined);
    const rule = flags.rule === undefined ? undefined : await resolveId(api, kinds.rule, flags.rule);
    const rest = given({ rule, description: flags.description, mode: flags.mode });
    const answer = await session.write('createPolicy', flags, { body: { name, type, action, ...lists, ...rest } });
    if (answer === undefined) return;
    showPolicy(session, answer);
    warnOfNothing(session, answer.body);
  });
}

function addUpdate(group: Command, session: Session): void {
  const update = group
    .command('update')
    .argument('<policy>', 'name or id')
    .description('change the given fields and keep the others; a given list replaces the old one')
    .option('--name <name>')
    .option('--allow', 'allow matching traffic')
    .option('--deny', 'deny matching traffic');
  commonOptions(subjectOptions(update, { update: true }));
  writes(update, 'updatePolicy').action(async (text: string, flags: PolicyFlags & WriteFlags) => {
    const api = await session.api();
    const before = await read(api, text);
    const body = await updatedBody(api, before.body, flags);
    const { id } = before.body;
    const answer = await session.write('updatePolicy', flags, { params: { id }, body, ifMatch: before.etag });
    if (answer !== undefined) showPolicy(session, answer);
  });
}

function commonOptions(command: Command): Command {
  return command
    .addOption(choice('--mode <mode>', 'of INTERNET policies', policyMode.options))
    .option('--rule <rule>', 'admission rule, by name or id (default: the built-in rule)')
    .option('--description <text>');
}

async function updatedBody(api: Client, before: Policy, flags: PolicyFlags): Promise<RequestBody<'updatePolicy'>> {
  const { name, action, rule, allGroups, allUsers, allDevices, allResources } = before;
  const ruleId = flags.rule === undefined ? rule?.id : await resolveId(api, kinds.rule, flags.rule);
  if (ruleId === undefined)
    throw usage('This policy has no admission rule', 'Give --rule. List all rules with: sally rules list');
  const lists = await subjects(api, flags, before);
  return {
    name: flags.name ?? name,
    action: actionOf(flags) ?? action,
    rule: ruleId,
    ...{ allGroups, allUsers, allDevices, allResources },
    ...lists,
    ...given({ description: clearable(flags.description), mode: flags.mode }),
  };
}

function actionOf({ allow, deny }: PolicyFlags): boolean | undefined {
  if (allow === true && deny === true) throw usage('A policy cannot both allow and deny');
  return allow === true ? true : deny === true ? false : undefined;
}

async function read(api: Client, text: string): Promise<Answer<Policy>> {
  return api.call('getPolicy', { params: { id: await resolveId(api, kinds.policy, text) } });
}
