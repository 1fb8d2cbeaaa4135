/**
 * The classes of fields of a model request, for the tables of the dialects: `inert` shapes the answer, `cost` changes its
 * price, `egress` makes the provider fetch or send something outside the gate, `provider-state` keeps or uses something
 * at the provider. The last two, and what a table does not know, stand in `call.tools[].kind`, so that a policy can deny
 * them.
 */
export type FieldClass = 'inert' | 'cost' | 'egress' | 'provider-state';

export interface Field {
  readonly class: FieldClass;
  /** Values with which an egress or state field does nothing; null always is one. */
  readonly inertValues?: readonly unknown[];
}

/** Whether a field set to `value` has to stand in `tools[].kind`. */
export function stands(field: Field | undefined, value: unknown): boolean {
  if (value === null || value === undefined) return false;
  if (field === undefined) return true;
  if (field.class === 'inert' || field.class === 'cost') return false;
  return !(field.inertValues ?? []).includes(value);
}

/** The row of `name`; never a member that every object has. */
export function rowOf<Row>(table: Readonly<Record<string, Row>>, name: string): Row | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
