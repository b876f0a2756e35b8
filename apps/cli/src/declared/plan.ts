import { badFile, type Declaration } from './document.ts';
import { nameMap } from './export.ts';
import { families } from './families.ts';
import { Misfit, type RefMap } from './fields.ts';
import { type Items, type Live, type Match, type Problem, type SectionName, sectionNames } from './items.ts';
import { keyMap, type Matches, matchAll } from './match.ts';
import { reorderSteps } from './reorder.ts';
import { createStep, type Making, type Step, updateSteps, withRefs } from './steps.ts';
import { builtInRule, defaultGroup, type Tenant } from './tenant.ts';

interface Context extends Making {
  readonly tenant: Tenant;
  readonly matches: Matches;
  readonly toKeys: RefMap;
}

/**
 * Returns the steps that bring the tenant to the file's state; none when it is there. With `prune`, objects that a
 * section of the file omits are deleted. Throws a `Failure` that names the wrong lines of a file.
 */
export function planFor(
  declaration: Declaration,
  tenant: Tenant,
  { prune, file }: { prune: boolean; file: string },
): Step[] {
  const problems: Problem[] = [];
  const matches = matchAll(declaration, tenant, problems);
  const gone = prune ? sectionNames.flatMap((section) => unnamed(section, declaration, tenant, matches)) : [];
  const goneIds = new Set(gone.flatMap(({ id }) => id ?? []));
  const names = nameMap(tenant);
  const toNames: RefMap = (target, key) => (key.startsWith('+') ? key.slice(key.indexOf('/') + 1) : names(target, key));
  const context = { tenant, matches, problems, toKeys: keyMap(tenant, matches, goneIds), toNames };
  const steps = sectionNames.flatMap((section) => sectionSteps(section, context));
  if (problems.length > 0) throw badFile(file, problems);
  return [...steps, ...gone.toReversed(), ...reorderSteps(tenant, matches, goneIds)];
}

/** Returns steps that delete objects that a section of the file omits. */
function unnamed<S extends SectionName>(
  section: S,
  declaration: Declaration,
  tenant: Tenant,
  matches: Matches,
): Step[] {
  if (declaration[section] === undefined) return [];
  const family = families[section];
  const named = new Set(matches[section].map(({ key }) => key));
  const lives: readonly Live<Items[S]>[] = tenant.sections[section];
  return lives
    .filter(({ id, builtIn }) => !builtIn && !named.has(id))
    .map(({ id, item }) => ({
      ...{ action: 'delete', kind: family.word, name: family.nameOf(item), id, changes: [] },
      carryOut: async (api) => void (await family.remove(id).send(api)),
    }));
}

function sectionSteps<S extends SectionName>(section: S, context: Context): Step[] {
  const family = families[section];
  const all: readonly Match<Items[S]>[] = context.matches[section];
  return (family.inOrder?.(all, context.problems) ?? all).flatMap((match): Step[] => {
    const item = resolved(section, match, context);
    if (item === undefined) return [];
    return match.live === undefined
      ? [createStep(family, match, item, context)]
      : updateSteps(family, match, match.live, item, context);
  });
}

/** Returns the item with keys for names and with the tenant's defaults; undefined when a reference is wrong. */
function resolved<S extends SectionName>(section: S, match: Match<Items[S]>, context: Context): Items[S] | undefined {
  const { item, lineOf } = match.declared;
  try {
    return completed(withRefs(families[section], item, context.toKeys), context.tenant);
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    context.problems.push({
      line: lineOf(String(error.path[0] ?? '')),
      message: `${section}.${error.path.join('.')}${error.message}`,
    });
    return undefined;
  }
}

/** Adds the defaults: every user is in a group, and every policy has a rule. */
function completed<S extends SectionName>(item: Items[S], tenant: Tenant): Items[S] {
  const group = defaultGroup(tenant);
  if ('email' in item && item.groups.length === 0 && group !== undefined) return { ...item, groups: [group] };
  return 'action' in item && item.rule === '' ? { ...item, rule: builtInRule(tenant) ?? '' } : item;
}
