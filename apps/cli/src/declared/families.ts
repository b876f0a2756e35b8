import type { Family, Items, SectionName } from './items.ts';
import { gatewayFamily, protocolFamily, resourceFamily } from './network.ts';
import { groupFamily, userFamily } from './people.ts';
import { policyFamily, ruleFamily } from './rules-and-policies.ts';
import { settingsFamily } from './settings.ts';
import { providerFamily, signInFamily } from './sign-in.ts';

/** The family of each section: how its objects are read and written. */
export const families: { readonly [S in SectionName]: Family<Items[S]> } = {
  settings: settingsFamily,
  signIn: signInFamily,
  gateways: gatewayFamily,
  protocols: protocolFamily,
  resources: resourceFamily,
  groups: groupFamily,
  providers: providerFamily,
  users: userFamily,
  rules: ruleFamily,
  policies: policyFamily,
};

/** Returns the names of the fields of an item. */
export const fieldNames = <I extends object>(family: Family<I>): (keyof I & string)[] =>
  Object.keys(family.fields) as (keyof I & string)[];
