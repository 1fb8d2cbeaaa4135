/** The file of `budget.prices`: read when the configuration is, so that a wrong price in it is a fault with its line. */
import { readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { checkPriceFile, type PriceFile, priceFileSchema } from '../budget/section.ts';
import { schemaFaults } from '../wire/schema-faults.ts';
import { type ConfigFault, parseConfig, type Surroundings } from './document.ts';

const fileBytesMax = 4 * 1_048_576;

/** The prices in the file at `path`, null without one; what is wrong goes to `faults`, what was looked at to `files`. */
export async function readPriceFile(
  path: string | undefined,
  surroundings: Surroundings,
  files: string[],
  faults: ConfigFault[],
): Promise<PriceFile | null> {
  if (path === undefined) return null;
  files.push(path);
  let source: string;
  try {
    source = await readFile(path, 'utf8');
    if (source.length > fileBytesMax) throw new Error(`it is larger than ${fileBytesMax} bytes`);
  } catch (fault) {
    const message = `the file of prices cannot be read: ${(fault as Error).message}`;
    faults.push({ file: path, line: 0, column: 0, pointer: '', message });
    return null;
  }
  const document = parseConfig(path, source, surroundings);
  files.push(...document.files);
  faults.push(...document.faults);
  if (document.faults.length > 0) return null;
  const validate = new Ajv2020({ allErrors: true, useDefaults: true, strict: false, verbose: true }).compile<PriceFile>(
    priceFileSchema,
  );
  const value: unknown = document.value ?? {};
  const file = validate(value) ? value : null;
  const wrong = file === null ? schemaFaults(validate.errors ?? []) : checkPriceFile(file);
  for (const { pointer, message } of wrong) faults.push({ file: path, ...document.place(pointer), pointer, message });
  return wrong.length === 0 ? file : null;
}
