/**
 * The `inspection` section of tollgate.yaml. Left out, every built-in recognizer runs. A list that is given replaces
 * the default: whoever names one recognizer switches the others off.
 */
import Type from 'typebox';
import { unsafePattern } from './pattern.ts';
import { recognizers } from './recognizers/index.ts';

const customMax = 32;

export const inspectionSection = Type.Object(
  {
    recognizers: Type.Array(Type.Enum(recognizers.map(({ name }) => name)), {
      default: recognizers.map(({ name }) => name),
      uniqueItems: true,
      description: 'The built-in recognizers that run. Their names are also the types of their findings.',
    }),
    custom: Type.Array(
      Type.Object(
        {
          type: Type.String({
            pattern: '^[a-z][a-z0-9_]{0,31}$',
            description: 'The type of the findings, as policies and obligations name it.',
          }),
          pattern: Type.String({
            minLength: 1,
            maxLength: 512,
            description:
              'A regular expression. Repetitions need an upper bound; back-references, look-around and nested quantifiers are refused.',
          }),
          context: Type.Array(Type.String({ minLength: 2, maxLength: 64 }), {
            default: [],
            maxItems: 32,
            description: 'If given, a match counts only within 64 characters of one of these words, in any case.',
          }),
        },
        { additionalProperties: false, description: 'One type of finding of your own.' },
      ),
      { default: [], maxItems: customMax, description: 'Types of findings of your own.' },
    ),
    stream_window_chars: Type.Integer({
      default: 64,
      minimum: 16,
      maximum: 4096,
      description:
        'In an answer that streams, text waits only while it could be the beginning of something to hide. This is how many characters of its other texts (of another choice, or the answer after the reasoning) may queue up behind it before it is judged as it stands.',
    }),
  },
  { additionalProperties: false, default: {}, description: 'What personal data and secrets are looked for.' },
);

export type InspectionConfig = Type.Static<typeof inspectionSection>;

/** What the schema cannot say: patterns must be safe, and no custom type may pass for a built-in one. */
export function checkInspection(config: InspectionConfig): { pointer: string; message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  config.custom.forEach(({ type, pattern }, place) => {
    const fault = unsafePattern(pattern);
    if (fault !== undefined)
      faults.push({ pointer: `/inspection/custom/${place}/pattern`, message: `the pattern is refused: ${fault}` });
    if (recognizers.some(({ name }) => name === type)) {
      faults.push({
        pointer: `/inspection/custom/${place}/type`,
        message: `${type} is the type of a built-in recognizer`,
      });
    }
  });
  return faults;
}
