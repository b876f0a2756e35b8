import { isLoopback } from '../../host-address.ts';
import { type ReleaseFolder, readRelease } from './archives.ts';

/** Whether other hosts can install from this controller. */
export interface InstallOffer {
  /** Address below which the scripts are, as far as the last look found archives; else null. */
  readonly url: string | null;
  /** Looks for archives again when the last look is some seconds old. */
  look(): Promise<void>;
}

/** Returns the offer of a controller. `url` is its address. */
export function installOffer(release: ReleaseFolder, url: () => string): InstallOffer {
  let lastLook = Number.NEGATIVE_INFINITY;
  let found = false;
  let looking: Promise<void> = Promise.resolve();
  return {
    get url() {
      return found && isSafe(url()) ? `${url()}/install` : null;
    },
    look: () => {
      if (performance.now() - lastLook < lookEveryMs) return looking;
      lastLook = performance.now();
      looking = readRelease(release).then(
        () => void (found = true),
        () => void (found = false),
      );
      return looking;
    },
  };
}

const lookEveryMs = 5_000;

/** `/install` refuses plain HTTP beyond this machine. */
function isSafe(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || isLoopback(url.hostname.replace(/^\[|\]$/g, '')));
}
