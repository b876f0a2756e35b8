import { version as own } from '@sallyport/program/place';
import { compareVersions, isVersion } from '@sallyport/release';

/** Whether an agent is older than this controller. A text that is no version counts as older. */
export const isOutdated = (version: string, controller: string = own): boolean =>
  !isVersion(version) || compareVersions(version, controller) < 0;
