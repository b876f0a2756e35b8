import { isId } from '../ids.ts';
import { didYouMean } from '../text.ts';
import type { Declaration } from './document.ts';
import { families } from './families.ts';
import { Misfit, type RefMap, type Target } from './fields.ts';
import {
  type Declared,
  type Items,
  type Live,
  type Match,
  type Problem,
  type SectionName,
  sectionNames,
} from './items.ts';
import { namedOf, type Tenant } from './tenant.ts';

/** The matches of each section. */
export type Matches = { readonly [S in SectionName]: readonly Match<Items[S]>[] };

/** Finds the object that each item of the file means. Reports ambiguous items in `problems`. */
export function matchAll(declaration: Declaration, tenant: Tenant, problems: Problem[]): Matches {
  const match = <S extends SectionName>(section: S) =>
    matchSection(section, declaration[section] ?? [], tenant.sections[section], problems);
  return {
    settings: match('settings'),
    signIn: match('signIn'),
    gateways: match('gateways'),
    protocols: match('protocols'),
    resources: match('resources'),
    groups: match('groups'),
    providers: match('providers'),
    users: match('users'),
    rules: match('rules'),
    policies: match('policies'),
  };
}

/** Turns names into keys. Throws `Misfit` for an unknown or ambiguous name. `gone` holds ids that the plan deletes. */
export function keyMap(tenant: Tenant, matches: Matches, gone: ReadonlySet<string>): RefMap {
  const tables = new Map<Target, readonly Candidate[]>();
  return (target, text) => {
    const all = tables.get(target) ?? candidates(tenant, matches, target);
    tables.set(target, all);
    const hits = find(all, text);
    const [first, second] = hits.filter(({ key }) => !gone.has(key));
    const word = WORDS[target];
    if (second !== undefined)
      throw new Misfit(`: several objects are called ${JSON.stringify(text)}; name the ${word} by id`);
    if (first !== undefined) return first.key;
    if (hits.length > 0)
      throw new Misfit(`: the ${word} ${JSON.stringify(text)} is not in the file, so --prune deletes it`);
    const like = didYouMean(
      text,
      all.map(({ name }) => name),
    );
    throw new Misfit(`: there is no ${word} called ${JSON.stringify(text)}${like === undefined ? '' : `. ${like}`}`);
  };
}

interface Candidate {
  readonly key: string;
  readonly name: string;
}

const WORDS: Readonly<Record<Target, string>> = {
  gateways: 'gateway',
  protocols: 'protocol',
  resources: 'resource',
  groups: 'group',
  users: 'user',
  roles: 'role',
  rules: 'admission rule',
  devices: 'device',
};

function candidates(tenant: Tenant, matches: Matches, target: Target): Candidate[] {
  const present = namedOf(tenant, target).map(({ id, name }) => ({ key: id, name }));
  const section = sectionNames.find((name) => name === target);
  return section === undefined ? present : [...present, ...added(section, matches)];
}

function added<S extends SectionName>(section: S, matches: Matches): Candidate[] {
  const family = families[section];
  const fresh = matches[section].filter(({ live }) => live === undefined);
  return fresh.map(({ key, declared }) => ({ key, name: family.nameOf(declared.item) }));
}

/** Finds objects by id, then by the exact name, then by the name in any letter case. */
function find(all: readonly Candidate[], text: string): readonly Candidate[] {
  if (isId(text)) return all.filter(({ key }) => key === text.toLowerCase());
  const exact = all.filter(({ name }) => name === text);
  return exact.length > 0 ? exact : all.filter(({ name }) => name.toLowerCase() === text.toLowerCase());
}

function matchSection<S extends SectionName>(
  section: S,
  declared: readonly Declared<Items[S]>[],
  lives: readonly Live<Items[S]>[],
  problems: Problem[],
): Match<Items[S]>[] {
  const { keyOf, nameOf, word } = families[section];
  const claimed = new Set(declared.flatMap(({ id }) => id ?? []));
  const seen = new Map<string, number>();
  return declared.flatMap((entry): Match<Items[S]>[] => {
    const { id, item } = entry;
    const own = id ?? keyOf(item);
    const line = entry.lineOf();
    const wrong = (message: string): [] => {
      problems.push({ line, message: `${word} ${JSON.stringify(nameOf(item))} ${message}` });
      return [];
    };
    const before = seen.get(own);
    if (before !== undefined) return wrong(`is described twice; the first time in line ${before}`);
    seen.set(own, line);
    const found = lives.filter((live) =>
      id === undefined ? keyOf(live.item) === own && !claimed.has(live.id) : live.id === id,
    );
    const [live, other] = found;
    if (other !== undefined)
      return wrong(
        `is the name of ${found.length} objects; choose one with id: ${found.map((f) => f.id).join(' or ')}`,
      );
    if (live === undefined && id !== undefined) return wrong(`has the id ${id}, which does not exist in this tenant`);
    return [{ declared: entry, live, key: live?.id ?? `+${section}/${own}` }];
  });
}
