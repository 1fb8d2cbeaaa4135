import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { checkTask, loopLimitsOf, type TaskConfig, taskSection } from '../../../src/task/section.ts';

const configOf = (loop: Record<string, unknown>) =>
  Value.Default(taskSection, { loop: { ...loop, agent: {} }, budget: {}, binding: {} }) as TaskConfig;
const pointers = (loop: Record<string, unknown>, history: number) =>
  checkTask(configOf(loop), history).map(({ pointer }) => pointer);

test('limits that the remembered history could never reach are refused; what stands by default fits any history', () => {
  assert.deepEqual(pointers({}, 10), []);
  assert.deepEqual(pointers({ repeats: 10, same_prompt: 10, ping_pong: 6 }, 10), [
    '/task/loop/repeats',
    '/task/loop/ping_pong',
    '/task/loop/same_prompt',
  ]);
  assert.deepEqual(pointers({ repeats: 49, same_prompt: 49, ping_pong: 25 }, 50), []);
});

test('limits are told in milliseconds, and reads over tasks are not limited unless it is said', () => {
  const { windowMs, coolDownMs, agent } = loopLimitsOf(configOf({ window_seconds: 7, cool_down_seconds: 3 }));
  assert.deepEqual([windowMs, coolDownMs, agent.coolDownMs, agent.windowMs], [7_000, 3_000, 3_000, 600_000]);
  assert.deepEqual([agent.reads, agent.bySubject], [null, true]);
});
