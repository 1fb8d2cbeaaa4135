/** Puts the console into the page. */
import { render } from 'preact';
import { html } from './html.ts';
import { Shell } from './shell.ts';

const place = document.getElementById('console');
if (place !== null) {
  place.replaceChildren();
  render(html`<${Shell} />`, place);
}
