import type { ReactNode } from 'react';
import type { FilterField } from './filters.ts';

/** An object of the API, as rows of lists hold it. */
export interface Row {
  readonly id: string;
}

/** A column of a list. */
export interface ListColumn<T extends Row> {
  readonly key: string;
  readonly head: string;
  /** Least width, px. */
  readonly least: number;
  /** Share of the width that is left. 0: it keeps the least width. */
  readonly grow?: number;
  /** Field of the API that the list is sorted by. */
  readonly sort?: string;
  /** Aligned to the end, as numbers are. */
  readonly end?: boolean;
  /** Shown only after the person switched it on. */
  readonly optional?: boolean;
  readonly cell: (row: T) => ReactNode;
}

/** One write of the API. */
export interface BulkWrite {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
}

/** A change that can be made to several objects under one plan. */
export interface BulkAction<T extends Row> {
  readonly verb: string;
  readonly danger?: boolean;
  /** Whether it changes anything about an object. Others are left out. */
  readonly fits?: (row: T) => boolean;
  readonly write?: (row: T) => BulkWrite;
  /** For what is no part of one change: a dialog that does it for each row. */
  readonly Dialog?: (props: {
    rows: readonly T[] | null;
    /** Selected rows that do not fit. */
    leftOut: number;
    onClose: () => void;
    onDone: () => void;
  }) => ReactNode;
  /** Why the action is not offered when no selected row fits. */
  readonly why?: string;
}

/** A list of objects: how it is read, shown, filtered and changed. */
export interface ListDefinition<T extends Row> {
  /** Kind of the objects, as the stream of changes and the audit trail name it. */
  readonly kind: string;
  readonly operation: string;
  /** Path of the list in the API. */
  readonly path: string;
  /** More parameters of every request: `fields=summary`. */
  readonly always: string;
  readonly one: string;
  readonly many: string;
  /** The columns, the most important first: a narrow page leaves out the last ones. */
  readonly columns: readonly ListColumn<T>[];
  readonly filters: readonly FilterField[];
  readonly searchable: boolean;
  readonly nameOf: (row: T) => string;
  /** Parameters of the API for the conditions, when they differ from `filter[field][operator]`. */
  readonly plainFilters?: boolean;
  readonly bulk: readonly BulkAction<T>[];
  /** How the labels of a row are read and set. Left out: these objects have none. */
  readonly labels?: {
    readonly of: (row: T) => readonly string[];
    readonly write: (row: T, labels: readonly string[]) => BulkWrite;
  };
  /** The verb of `sally` that prints the list: `devices`. Left out: there is none. */
  readonly command: string;
  readonly empty: { readonly title: string; readonly text: string };
  /** Content of the side panel. */
  readonly Panel: (props: { id: string; row: T | undefined }) => ReactNode;
}
