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
  /** Values of a cost field that have a price; any other stands, since nobody knows what it costs. */
  readonly pricedValues?: readonly unknown[];
}

/** A field that is looked into. */
export interface ObjectField extends Field {
  /** The names that may stand in it, where its value is an object; absent where anything may. */
  readonly members?: readonly string[];
}

/** Whether a field set to `value` has to stand in `tools[].kind`. */
export function stands(field: Field | undefined, value: unknown): boolean {
  if (value === null || value === undefined) return false;
  if (field === undefined) return true;
  if (field.class === 'cost' && field.pricedValues !== undefined) return !field.pricedValues.includes(value);
  if (field.class === 'inert' || field.class === 'cost') return false;
  return !(field.inertValues ?? []).includes(value);
}

/** The row of `name`; never a member that every object has. */
export function rowOf<Row>(table: Readonly<Record<string, Row>>, name: string): Row | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
