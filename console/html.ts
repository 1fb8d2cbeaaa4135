/**
 * Markup as tagged templates. What stands in `${…}` becomes a text node, an attribute's value or an element, and never
 * markup: recorded inputs are hostile text, and nothing in the console sets `innerHTML`.
 */
import htm from 'htm';
import { h, type VNode } from 'preact';

const bound = htm.bind<VNode>(h);

/** One element. */
export function html(strings: TemplateStringsArray, ...values: readonly unknown[]): VNode {
  return bound(strings, ...values) as VNode;
}
