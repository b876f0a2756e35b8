import type { Tx } from '../../db/store.ts';

/** Ends the relayed pairs that an agent is part of, as an end or as the relay. */
export async function endPairsOf(tx: Tx, agent: string): Promise<void> {
  const pairs = await tx.scoped
    .selectFrom('relay_pairs')
    .select('id')
    .where((eb) => eb.or([eb('a', '=', agent), eb('b', '=', agent), eb('relay_id', '=', agent)]))
    .execute();
  await endPairs(
    tx,
    pairs.map(({ id }) => id),
  );
}

/** Ends the pairs of a relay whose ports it may no longer give: those outside its range, and WireGuard's own. */
export async function endPairsOutside(
  tx: Tx,
  relay: string,
  ports: { readonly relay_from: number; readonly relay_to: number; readonly wireguard_port: number },
): Promise<void> {
  const pairs = await tx.scoped
    .selectFrom('relay_pairs')
    .select(['id', 'port'])
    .where('relay_id', '=', relay)
    .execute();
  // The first port is for probes.
  const { relay_from: from, relay_to: to, wireguard_port } = ports;
  const outside = pairs.filter(({ port }) => port <= from || port > to || port === wireguard_port);
  await endPairs(
    tx,
    outside.map(({ id }) => id),
  );
}

async function endPairs(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await tx.scoped.deleteFrom('relay_pairs').where('id', '=', id).execute();
    tx.changed({ kind: 'relay', id, op: 'delete' });
  }
}
