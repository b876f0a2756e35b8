import { test } from 'node:test';
import { whyNoNamespaces } from '@sallyport/testkit';
import { continuesThroughFaults } from '../lab/faults.ts';

// `npm run test:paths` runs it for a minute.
test('requests continue and all state converges through random faults', { skip: whyNoNamespaces() ?? false }, (t) =>
  continuesThroughFaults(t, 20_000),
);
