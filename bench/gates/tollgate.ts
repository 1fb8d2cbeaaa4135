/**
 * A program: the gate itself, as `main.ts` starts it. Rooms that a row has off are put out here, by what they give:
 * their place on the ladder stays, and so does everything the others do.
 */
import type { AuditEvent } from '../../src/audit/event.ts';
import { startGate } from '../../src/main.ts';
import type { Rooms } from '../../src/pipeline.ts';
import { measured } from './measured.ts';

export type RoomOff = 'budget' | 'audit';

/** More than any call spends: a stream is cut where its reservation ends. */
const plenty = { tokens: 1_000_000_000, costMicroUsd: 1_000_000_000_000 };

/** What the stages of a room that is off give instead of their fact. */
const instead: Readonly<Record<RoomOff, Readonly<Record<string, object>>>> = {
  budget: { reservation: { id: 'rsv_off', ...plenty } },
  audit: { proposed: { canonical: 'off' }, intent: { eventId: 'evt_off' as AuditEvent['id'] } },
};

function without(rooms: Rooms, off: readonly RoomOff[]): Rooms {
  const given = Object.assign({}, ...off.map((room) => instead[room])) as Record<string, object>;
  const put = new Set<string>();
  const stages = rooms.admission.stages.map((stage) => {
    const fact = Object.keys(stage.gives).find((name) => given[name] !== undefined);
    if (fact === undefined) return stage;
    put.add(fact);
    return { ...stage, admit: () => ({ [fact]: given[fact] }) };
  });
  const missing = Object.keys(given).filter((fact) => !put.has(fact));
  if (missing.length > 0) throw new Error(`no stage gives ${missing.join(', ')}: the row would not be what it says`);
  const budget = off.includes('budget');
  return {
    ...rooms,
    admission: Object.create(rooms.admission, { stages: { value: stages } }) as Rooms['admission'],
    remaining: budget ? async () => undefined : rooms.remaining,
    settlement: {
      ...rooms.settlement,
      ...(budget ? { budget: async () => 0 } : {}),
      ...(off.includes('audit') ? { audit: async () => undefined } : {}),
    },
  };
}

const [configFile = '', off = ''] = process.argv.slice(2);
const roomsOff = off.split(',').filter((room): room is RoomOff => room === 'budget' || room === 'audit');
const gate = await startGate({
  configFile,
  env: process.env,
  ...(roomsOff.length === 0 ? {} : { alterRooms: (rooms) => without(rooms, roomsOff) }),
});
measured(gate.url, () => gate.close());
