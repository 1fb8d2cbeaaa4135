/**
 * The rooms of a gate with one place in them that can be broken, and counters around settlement: what the table of
 * faults works with. `breakAt` holds until it is called again; everything else is the gate's own.
 */
import type { Arrival, TaskFact, TaskRecord } from '../../src/call.ts';
import type { Rooms } from '../../src/pipeline.ts';
import { type AnyStage, Ladder } from '../../src/stage.ts';

/** Ways to fail. A value stands for what is returned in place of the right one. */
export type Fault = 'throws' | 'rejects' | 'hangs' | { readonly gives: unknown };

/** `stage 3`, or a function of the rooms: `response.decide`. */
export type Place = string;

export class BrokenRooms {
  stages: readonly AnyStage[] = [];
  /** How often each room was asked to settle, since the last `breakAt`. */
  settled = { budget: 0, task: 0, audit: 0 };
  #place: Place | null = null;
  #fault: Fault = 'throws';

  breakAt(place: Place | null, fault: Fault = 'throws'): void {
    this.#place = place;
    this.#fault = fault;
    this.settled = { budget: 0, task: 0, audit: 0 };
  }

  /** The task as the ladder last found it. */
  record: TaskRecord | undefined;

  readonly alter = (rooms: Rooms): Rooms => {
    this.stages = rooms.admission.stages;
    const stages = this.stages.map((stage, index) => {
      const admit = this.#breakable(`stage ${index}`, stage.admit);
      return { ...stage, admit: Object.hasOwn(stage.gives, 'task') ? this.#watched(admit) : admit };
    });
    const counted = <Args extends unknown[], Result>(
      room: keyof BrokenRooms['settled'],
      settle: (...args: Args) => Result,
    ) => {
      const broken = this.#breakable(`settlement.${room}`, settle);
      return (...args: Args) => {
        this.settled[room]++;
        return broken(...args);
      };
    };
    const { budget, task, audit } = rooms.settlement;
    return {
      ...rooms,
      admission: stages.reduce<Ladder<Arrival, Arrival>>(
        (ladder, stage) => ladder.rung(stage),
        Ladder.from<Arrival>(),
      ) as unknown as Rooms['admission'],
      exchange: this.#all('exchange', rooms.exchange),
      response: this.#all('response', rooms.response),
      settlement: {
        budget: counted('budget', budget),
        task: counted('task', task),
        audit: counted('audit', audit),
      },
      count: this.#breakable('count', rooms.count),
      remaining: this.#breakable('remaining', rooms.remaining),
      running: this.#breakable('running', rooms.running),
      headers: this.#breakable('headers', rooms.headers),
      encodeDenialFrame: this.#breakable('encodeDenialFrame', rooms.encodeDenialFrame),
    };
  };

  #watched(admit: AnyStage['admit']): AnyStage['admit'] {
    return async (call) => {
      const given = await admit(call);
      this.record = (given as Partial<TaskFact> | undefined)?.task?.record;
      return given;
    };
  }

  #all<Part extends object>(name: string, part: Part): Part {
    return Object.fromEntries(
      Object.entries(part).map(([member, run]) => [member, this.#breakable(`${name}.${member}`, run)]),
    ) as Part;
  }

  #breakable<Args extends unknown[], Result>(place: Place, run: (...args: Args) => Result): (...args: Args) => Result {
    return (...args) => (this.#place === place ? (fail(this.#fault) as Result) : run(...args));
  }
}

function fail(fault: Fault): unknown {
  if (fault === 'throws') throw new Error('broken on purpose');
  if (fault === 'rejects') return Promise.reject(new Error('broken on purpose'));
  if (fault === 'hangs') return new Promise(() => undefined);
  return fault.gives;
}
