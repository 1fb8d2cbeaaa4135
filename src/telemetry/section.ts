/** The `telemetry` section of tollgate.yaml. */
import Type from 'typebox';

export const telemetrySection = Type.Object(
  {
    log: Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')], {
      default: 'info',
      description: 'Least level that is logged, to standard error.',
    }),
  },
  { default: {}, additionalProperties: false, description: 'What the gate says of itself.' },
);

export type TelemetryConfig = Type.Static<typeof telemetrySection>;
