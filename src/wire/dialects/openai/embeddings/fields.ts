/** What every field of an embeddings request does, as data, by the classes of `field-class.ts`. */
import type { Field } from '../../../field-class.ts';

/** When the table was last compared with the provider's API reference and with the types of its SDK. */
export const embeddingsFieldsAsOf = '2026-11-21';

const inert: Field = { class: 'inert' };

export const embeddingsFields: Readonly<Record<string, Field>> = {
  input: inert,
  model: inert,
  dimensions: inert,
  encoding_format: inert,
  user: inert,
};
