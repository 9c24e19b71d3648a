/**
 * @file What a picture of a model shows: boxes, groups and the lines between them, before anything has a place.
 *
 * A picture follows the habits of the field's papers. Blocks that only put others together (a layer, a sublayer) are not boxes:
 * what they are made of is drawn, so residual paths and the places of norms are seen. Numbers that are no data (masks,
 * positions of a mask, sizes) are left out.
 */

export interface Box {
  readonly kind: "box";
  readonly id: string;
  readonly title: string;
  /** Smaller lines below: settings, parameters. */
  lines: string[];
  /** The block's role, which gives the box its colour. */
  readonly role: string;
  /** What a pointer over the box shows. */
  readonly tip: string;
  /** Settings, to find what differs between the iterations of a repeat. */
  readonly settings: ReadonlyMap<string, string>;
}

/** A sum, a product: a small circle with a sign. */
export interface Join {
  readonly kind: "join";
  readonly id: string;
  readonly sign: string;
}

/** What goes in or comes out: words without a box. */
export interface Terminal {
  readonly kind: "terminal";
  readonly id: string;
  readonly title: string;
  readonly lines: string[];
  readonly side: "in" | "out";
}

/** Where a line enters a group and may fork. */
export interface Fork {
  readonly kind: "fork";
  readonly id: string;
}

export interface Group {
  readonly kind: "group";
  readonly id: string;
  /** `×32` */
  readonly label: string;
  readonly items: Item[];
}

export type Item = Box | Join | Terminal | Fork | Group;

export interface Edge {
  readonly from: string;
  readonly to: string;
  /** The type of what goes along it. */
  readonly type: string;
  /** It enters a group from another column than the group's own data: cross-attention. */
  readonly across: boolean;
}

export interface Figure {
  readonly title: string;
  readonly items: Item[];
  readonly edges: Edge[];
}

/** Every item, those inside groups too. */
export function* itemsOf(items: readonly Item[]): Generator<Item> {
  for (const item of items) {
    yield item;
    if (item.kind === "group") yield* itemsOf(item.items);
  }
}
