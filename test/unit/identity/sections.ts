/** The sections of identity as the configuration makes them: what an entry leaves out is filled in by the schema. */
import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import {
  type AdminConfig,
  adminSection,
  checkIdentity,
  type IssuersConfig,
  issuersSection,
  type SubjectIssuersConfig,
  subjectIssuersSection,
} from '../../../src/identity/section.ts';

const ajv = new Ajv2020({ useDefaults: true, allErrors: true, strict: false });
export const fits = {
  issuers: ajv.compile(issuersSection),
  subject_issuers: ajv.compile(subjectIssuersSection),
  admin: ajv.compile(adminSection),
};

export interface Identity {
  issuers: IssuersConfig;
  subject_issuers: SubjectIssuersConfig;
  admin?: AdminConfig;
}

/** Fails on what the schema does not take. */
export function identityOf(sections: {
  issuers?: readonly object[];
  subject_issuers?: readonly object[];
  admin?: object;
}): Identity {
  const { issuers = [], subject_issuers = [], admin } = structuredClone(sections);
  const filled = { issuers, subject_issuers, ...(admin === undefined ? {} : { admin }) };
  for (const [name, value] of Object.entries(filled)) {
    const validate = fits[name as keyof typeof fits];
    assert.ok(validate(value), JSON.stringify(validate.errors));
  }
  return filled as unknown as Identity;
}

/** Pointers of the faults, in order. */
export function faultsOf(sections: Parameters<typeof identityOf>[0], publicUrl = 'https://gate.test'): string[] {
  return checkIdentity(identityOf(sections), publicUrl).map(({ pointer, message }) => {
    assert.notEqual(message, '');
    return pointer;
  });
}
