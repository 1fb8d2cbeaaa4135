/** What `GET /tools` answers. Every text in it was written by a server, and is shown as text. */

export interface ToolChange {
  readonly where: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface Tool {
  readonly tool: string;
  readonly operation: string;
  readonly state: string;
  readonly fault?: string;
  readonly effect: string | null;
  readonly description: string | null;
  readonly accepted: { readonly hash: string; readonly at: string | null; readonly by: string } | null;
  readonly found: readonly {
    readonly hash: string;
    readonly targets: readonly string[];
    readonly changes: readonly ToolChange[];
  }[];
  readonly hidden: readonly { readonly kind: string; readonly where: string; readonly excerpt: string }[];
}

export interface CatalogueRoute {
  readonly route: string;
  readonly drift: 'block' | 'flag';
  readonly hidden_instructions: string;
  readonly accepted_by: 'config' | 'first_seen';
  readonly targets: readonly {
    readonly name: string;
    readonly listed_at: string | null;
    readonly fault: string | null;
  }[];
  readonly tools: readonly Tool[];
}

/** A definition was found that is not the accepted one. */
export function isDrifted({ accepted, found }: Tool): boolean {
  return accepted !== null && found.length > 0;
}
