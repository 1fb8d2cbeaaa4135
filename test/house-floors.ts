/** Which rooms and open sets there are, and the floors that imports go down. */

/** The rooms of the house: singular folders of src. */
export const rooms = [
  'identity',
  'task',
  'policy',
  'budget',
  'inspection',
  'route',
  'breaker',
  'upstream',
  'audit',
  'cache',
  'catalogue',
  'session',
  'idempotency',
];
/** Open sets: a file a member, and one line in the index. */
export const pluralFolders = [
  'recognizers',
  'credentials',
  'sinks',
  'dialects',
  'backends',
  'issuer-kinds',
  'keepers',
  'providers',
];

/** Who may import whom: only a lower floor, and never a neighbour. */
export const floors: readonly (readonly string[])[] = [
  [
    'call',
    'payload',
    'principal',
    'task-record',
    'attempt',
    'answer-stream',
    'conversation',
    'recall',
    'rate',
    'pattern',
    'outcome',
    'toolset',
    'stage',
    'denial',
    'clock',
  ],
  ['wire', 'store', 'telemetry'],
  rooms,
  ['settlement'],
  ['flow'],
  ['exchange'],
  ['pipeline'],
  ['server', 'config'],
  ['assembly'], // what main.ts is made of; together they are the composition root
  ['main'],
  ['cli'],
];
