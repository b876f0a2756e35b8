import type {
  CompiledQuery,
  DeleteQueryBuilder,
  DeleteResult,
  InsertQueryBuilder,
  InsertResult,
  Kysely,
  SelectQueryBuilder,
  UpdateQueryBuilder,
  UpdateResult,
} from 'kysely';
import { compiledOnce, runCompiled } from './compiled.ts';
import type { GroupTransaction } from './group.ts';
import type { Database, NewRow, TenantScoped } from './schema.ts';

/** Queries that cannot leave their tenant: `tenant_id = ?` is there by construction. */
export interface Scoped {
  readonly tenant: string;
  selectFrom<T extends TenantScoped>(table: T): SelectQueryBuilder<Database, T, Record<never, never>>;
  /** Rows are given without their tenant. */
  insertInto<T extends TenantScoped>(
    table: T,
    rows: WithoutTenant<T> | readonly WithoutTenant<T>[],
  ): InsertQueryBuilder<Database, T, InsertResult>;
  /**
   * Inserts one row on a frequent path. The statement is built and compiled once. In a write, the row is inserted before
   * the write's next statement, together with others.
   */
  insert<T extends TenantScoped>(table: T, row: Required<WithoutTenant<T>>): Promise<void>;
  updateTable<T extends TenantScoped>(table: T): UpdateQueryBuilder<Database, T, T, UpdateResult>;
  deleteFrom<T extends TenantScoped>(table: T): DeleteQueryBuilder<Database, T, DeleteResult>;
  /** Selects from the tenant's own row in `tenants`. */
  selectTenant(): SelectQueryBuilder<Database, 'tenants', Record<never, never>>;
  updateTenant(): UpdateQueryBuilder<Database, 'tenants', 'tenants', UpdateResult>;
  /** Runs a query of these builders with a constant text (see `runCompiled`). Returns its rows. */
  run<R>(name: string, parameters: readonly unknown[], build: () => CompiledQuery<R>): Promise<readonly R[]>;
  /** Returns such a query, to be run later. */
  compiled(name: string, parameters: readonly unknown[], build: () => CompiledQuery): CompiledQuery;
  /** Inserts the tenant's own row when the tenant is created. */
  insertTenant(row: Omit<NewRow<'tenants'>, 'id'>): InsertQueryBuilder<Database, 'tenants', InsertResult>;
}

/** A new row without its tenant, which `scoped` adds. */
export type WithoutTenant<T extends TenantScoped> = Omit<NewRow<T>, 'tenant_id'>;

/** Returns the only builders for queries of a tenant's tables. In a write, pass the transaction's `db`. */
export function scoped(db: Kysely<Database>, tenant: string, group?: GroupTransaction): Scoped {
  // Kysely derives types from the literal name of a table. Here the name is a variable, so the type is given by hand.
  const named = <B>(builder: unknown): B => builder as B;
  const withTenant = (row: object) => ({ ...row, tenant_id: tenant });
  return {
    tenant,
    selectFrom: (table) =>
      named(db.selectFrom(table as 'gateways').where(`${table as 'gateways'}.tenant_id`, '=', tenant)),
    insertInto: (table, rows) =>
      named(
        db
          .insertInto(table as TenantScoped)
          .values(named(Array.isArray(rows) ? rows.map(withTenant) : withTenant(rows))),
      ),
    insert: async (table, row) => {
      const values = withTenant(row);
      const name = insertName(table, values);
      if (group !== undefined) return group.insert(name, table, values);
      await runCompiled(db, name, Object.values(values), () =>
        db
          .insertInto(table as TenantScoped)
          .values(named(values))
          .compile(),
      );
    },
    updateTable: (table) => named(db.updateTable(table as 'gateways').where('tenant_id', '=', tenant)),
    selectTenant: () => db.selectFrom('tenants').where('id', '=', tenant),
    updateTenant: () => db.updateTable('tenants').where('id', '=', tenant),
    run: async (name, parameters, build) => (await runCompiled(db, name, parameters, build)).rows,
    compiled: (name, parameters, build) => compiledOnce(db, name, parameters, build),
    insertTenant: (row) => db.insertInto('tenants').values({ ...row, id: tenant }),
    deleteFrom: (table) => named(db.deleteFrom(table as 'gateways').where('tenant_id', '=', tenant)),
  };
}

/** Names of INSERTs, by table, with the columns of their rows in order. */
const insertNames = new Map<string, { readonly columns: readonly string[]; readonly name: string }[]>();

/** Returns a short name for the INSERT of rows with these columns in this order. */
function insertName(table: string, row: object): string {
  const columns = Object.keys(row);
  const names = insertNames.get(table) ?? [];
  const known = names.find((each) => isSameOrder(each.columns, columns));
  if (known !== undefined) return known.name;
  const name = `insert ${table} ${names.length}`;
  insertNames.set(table, [...names, { columns, name }]);
  return name;
}

const isSameOrder = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((column, at) => column === b[at]);

/**
 * Returns a database for queries across tenants. The reason is in the code for reviewers; `tests/architecture` lists
 * every use.
 */
export function unscoped(db: Kysely<Database>, _reason: string): Kysely<Database> {
  return db;
}
