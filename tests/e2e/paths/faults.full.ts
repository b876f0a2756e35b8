import { test } from 'node:test';
import { whyNoNamespaces } from '@sallyport/testkit';
import { continuesThroughFaults } from '../../lab/faults.ts';

test('requests continue and all state converges through random faults', { skip: whyNoNamespaces() ?? false }, (t) =>
  continuesThroughFaults(t, 60_000),
);
