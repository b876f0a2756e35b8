import type { ItemChange } from '@sallyport/agent-core';
import { type NameItem, publicClass, type StateItem } from '@sallyport/contract/channel';

/** Returns whether a change concerns the names of a gateway. */
export function concernsNames(change: ItemChange): boolean {
  return (change.before ?? change.after)?.kind === 'name' || concernsGateway(change);
}

/** A changed intent opens or closes all names, and so does a full tunnel through this gateway. */
export function concernsGateway({ before, after }: ItemChange): boolean {
  const item = before ?? after;
  return item?.kind === 'gateway' || item?.key === internetKey;
}

/** Key of the class of all public addresses. */
export const internetKey = `class/${publicClass}`;

/** Returns the names among items. */
export function ofNames(items: readonly (StateItem | null)[]): NameItem[] {
  return items.filter((item) => item?.kind === 'name');
}
