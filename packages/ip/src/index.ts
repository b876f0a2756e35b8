export {
  addressBits,
  canonicalUnmapped,
  type Family,
  formatAddress,
  type IpAddress,
  parseAddress,
  parseUnmapped,
  unmapAddress,
} from './address.ts';
export { rangeOfNames, rangeOfNames4, rangeOfNames6 } from './names.ts';
export {
  canonicalPrefix,
  formatInterfaceAddress,
  formatPrefix,
  type InterfaceAddress,
  type IpPrefix,
  parseInterfaceAddress,
  parsePrefix,
  prefixOf,
  unmapPrefix,
} from './prefix.ts';
export {
  compareNumbers,
  compareRanges,
  formatRange,
  type IpRange,
  mergeAdjacent,
  parseRange,
  rangeContains,
  rangesOverlap,
  rangeToPrefixes,
  withoutRanges,
} from './range.ts';
export { isWildcard, wildcardBase, wildcardsOver } from './wildcards.ts';
