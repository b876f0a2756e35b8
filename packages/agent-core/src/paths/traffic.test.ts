import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PeerStatus } from '@sallyport/wireguard';
import { type Answers, Traffic } from './traffic.ts';

const status = (txBytes: number, rxBytes: number, lastHandshake = 1): PeerStatus => ({
  publicKey: 'k',
  allowedIps: [],
  lastHandshake,
  txBytes,
  rxBytes,
});

type Counts = readonly [tx: number, rx: number];

/** Looks once a second; each step says what the counters grew by since the look before. */
function looks(steps: readonly Counts[], each = (_: Traffic) => {}): Answers[] {
  const traffic = new Traffic();
  let [tx, rx] = [0, 0];
  traffic.answers(status(0, 0), 0);
  return steps.map(([more, back], n) => {
    tx += more;
    rx += back;
    each(traffic);
    return traffic.answers(status(tx, rx), (n + 1) * 1_000);
  });
}

describe('the result for sent traffic', () => {
  it('is silence when packets get nothing, also within a second after they were answered', () => {
    const [dead, alive]: [Counts, Counts] = [
      [2_000, 0],
      [2_000, 4_000],
    ];
    assert.deepEqual(looks([dead, dead, alive, dead]), ['silent', 'silent', 'answered', 'silent']);
  });

  it('adds up retransmissions that are seconds apart', () => {
    const [packet, nothing]: [Counts, Counts] = [
      [96, 0],
      [0, 0],
    ];
    assert.deepEqual(looks([packet, nothing, packet, nothing]), [null, null, 'silent', null]);
  });

  it('leaves out our own probes and their refusals, by either family', () => {
    for (const [address, syn, rst] of [['100.64.0.1', 96, 80] as const, ['fd00::1', 112, 96] as const]) {
      const probes = (traffic: Traffic) => {
        for (let n = 0; n < 4; n += 1) {
          traffic.probed(address);
          traffic.refused(address);
        }
      };
      const idle = looks(Array(10).fill([4 * syn, 4 * rst]), probes);
      assert.deepEqual(idle, Array(10).fill(null));
      const dead = looks(Array(3).fill([4 * syn + 400, 4 * rst]), probes);
      assert.deepEqual(dead, Array(3).fill('silent'));
    }
  });

  it('does not take ICMP errors for answers, but the few acknowledgements of an upload', () => {
    assert.deepEqual(looks([[2_000, 128 * 3]]), ['silent']);
    assert.deepEqual(looks([[1_000_000, 30_000]]), ['answered']);
  });

  it('gives no result for an idle tunnel, for handshakes, or for a new peer', () => {
    assert.deepEqual(looks(Array(20).fill([32, 0])), Array(20).fill(null));
    const traffic = new Traffic();
    traffic.answers(status(0, 0), 0);
    assert.equal(traffic.answers(status(148, 92, 2), 1_000), null);
    assert.equal(traffic.answers(status(10, 0, 2), 2_000), null);
    assert.equal(traffic.answers(null, 3_000), null);
    assert.equal(traffic.answers(status(5_000, 0), 4_000), null);
  });
});
