/** Files that take more than half a minute, the longest first. A wrong place costs time only. */
export const longFiles: readonly string[] = [
  'tests/console/pages.test.ts',
  'tests/e2e/readme.test.ts',
  'tests/e2e/window.test.ts',
  'tests/install/checkout.test.ts',
  'tests/e2e/paths-failover.net.test.ts',
  'tests/e2e/test-configuration.test.ts',
  'apps/gateway/src/foreign-rules.net.test.ts',
  'apps/gateway/src/expiry.net.test.ts',
  'apps/controller/src/local-gateway.test.ts',
  'tests/e2e/lifecycle.test.ts',
  'apps/gateway/src/upgrade.net.test.ts',
  'tests/e2e/paths-nat.net.test.ts',
  'tests/e2e/paths-faults.net.test.ts',
  'apps/controller/src/backup/backup.test.ts',
  'tests/console/hostile-names.test.ts',
];

/** Puts long files first: one that starts last would keep the others waiting, with one processor at work. */
export function longestFirst(files: readonly string[]): string[] {
  const place = (file: string) => (longFiles.includes(file) ? longFiles.indexOf(file) : longFiles.length);
  return files.toSorted((a, b) => place(a) - place(b));
}
