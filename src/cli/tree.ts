/** @file Parameters as a tree of blocks: paths folded by their prefixes, equal layers into one line. */
import { grouped } from "./text.ts";
import type { Weighed } from "./measure.ts";

export interface Block {
  /** `layers.{0..31}`, `attention`, `weight` */
  readonly name: string;
  /** Of all that is folded into it. */
  readonly elements: number;
  /** How many blocks are folded into it, those around it included. */
  readonly count: number;
  /** Of a weight itself. */
  readonly shape?: readonly number[];
  readonly children: readonly Block[];
}

interface Node {
  elements: number;
  shape?: readonly number[];
  readonly children: Map<string, Node>;
}

export function treeOf(parameters: readonly Weighed[]): readonly Block[] {
  const root: Node = { elements: 0, children: new Map() };
  for (const p of parameters) {
    let at = root;
    for (const part of p.path.split(".")) {
      let next = at.children.get(part);
      if (!next) at.children.set(part, (next = { elements: 0, children: new Map() }));
      next.elements += p.elements;
      at = next;
    }
    at.shape = p.shape;
  }
  return fold(root);
}

/** Children that are numbered and alike become one: `{0..31}`. */
function fold(node: Node): readonly Block[] {
  const out: { name: string; from: number; to: number; key: string; block: Block }[] = [];
  for (const [name, child] of node.children) {
    const block = blockOf(name, child);
    const number = /^\d+$/.test(name) ? Number(name) : Number.NaN;
    const key = Number.isNaN(number) ? "" : shapeKey(block);
    const last = out.at(-1);
    if (last && key !== "" && last.key === key && last.to + 1 === number) {
      last.to = number;
      last.block = added(last.block, block);
    } else out.push({ name, from: number, to: number, key, block });
  }
  return out.map((o) =>
    o.to > o.from ? { ...o.block, name: `{${o.from}..${o.to}}${o.block.name.replace(/^\d+/, "")}` } : o.block,
  );
}

function blockOf(name: string, node: Node): Block {
  const children = fold(node);
  // A block that holds one thing is one line with it: `layers.{0..31}`.
  const [only] = children;
  if (children.length === 1 && !node.shape) return { ...only!, name: `${name}.${only!.name}` };
  return { name, elements: node.elements, count: 1, ...(node.shape ? { shape: node.shape } : {}), children };
}

function added(a: Block, b: Block): Block {
  return {
    ...a,
    elements: a.elements + b.elements,
    count: a.count + b.count,
    children: a.children.map((c, i) => added(c, b.children[i]!)),
  };
}

/** Equal for blocks of the same names and shapes, whatever their own number. */
function shapeKey(block: Block): string {
  const own = block.name.replace(/^\d+/, "#");
  return `${own}[${block.shape?.join(",") ?? ""}](${block.children.map(shapeKey).join(";")})`;
}

/** Rows of a table: the name indented by depth, the shape, the elements. */
export function treeRows(blocks: readonly Block[], depth = 0): string[][] {
  return blocks.flatMap((b) => [
    [
      `${"  ".repeat(depth)}${b.name}`,
      b.shape
        ? `${b.count === 1 ? "" : `${b.count} x `}[${b.shape.map((n) => (Number.isNaN(n) ? "open" : n)).join(", ")}]`
        : "",
      grouped(b.elements),
    ],
    ...treeRows(b.children, depth + 1),
  ]);
}
