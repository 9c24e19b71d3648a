/**
 * @file Masks that hide all keys behind the query, told apart while they are emitted: operators that hide them by themselves need no such
 * mask, and take none that hides less; and where they hide nothing else, every row sees itself.
 */
import type { Graph, Node } from "../../ir/graph.ts";
import { Size } from "../../ir/size.ts";
import { orderOf } from "../../passes/places.ts";
import type { Storage } from "../../layout/view.ts";
import type { Emit, Lowering, Placed } from "./emitter.ts";
import type { Tensor } from "./writer.ts";

/** A mask that is true of no key behind the query. */
export interface Causal {
  /** How many keys come before the first query's own. */
  readonly start: Size;
  /** It is true of all others. */
  readonly exact: boolean;
}

interface Known extends Causal {
  /** Axes of the storage. */
  readonly key: string;
  readonly query: string;
}

type Comparison = "less" | "less_equal" | "greater" | "greater_equal";

export class CausalMasks {
  private readonly known = new WeakMap<Storage<Tensor>, Known>();

  /** What this mask is, as one of these queries and keys. */
  of(mask: Placed | undefined, query: string, keys: string): Causal | undefined {
    const known = mask && this.known.get(mask.storage);
    return known && isAxis(mask, keys, known.key) && isAxis(mask, query, known.query) ? known : undefined;
  }

  /** Whether every row of this mask is true of some key: it is such a mask, and of nothing else. */
  opensEveryRow(mask: Placed, keys: string): boolean {
    const known = this.known.get(mask.storage);
    return known !== undefined && known.exact && isAxis(mask, keys, known.key);
  }

  /** The table with operators that remember of what they make whether it is such a mask. */
  watching(table: Lowering["table"]): Lowering["table"] {
    const order =
      <K extends Comparison>(emit: Emit<K>): Emit<K> =>
      (e, node, scope) => {
        const made = emit(e, node, scope);
        const known = behind(node as Node, scope.graph);
        if (known) this.known.set(made[0]!.storage, known);
        return made;
      };
    const both: Emit<"and"> = (e, node, scope) => {
      const made = table.and(e, node, scope);
      for (const input of node.inputs.map((v) => scope.get(v))) {
        const known = this.known.get(input.storage);
        if (!known) continue;
        const [key, query] = [known.key, known.query].map((own) =>
          node.outputs[0]!.type.axes.find((a) => isAxis(input, a.name, own)),
        );
        if (key && query)
          this.known.set(made[0]!.storage, { ...known, exact: false, key: key.name, query: query.name });
      }
      return made;
    };
    return {
      ...table,
      less: order(table.less),
      less_equal: order(table.less_equal),
      greater: order(table.greater),
      greater_equal: order(table.greater_equal),
      and: both,
    };
  }
}

function isAxis(view: Placed, name: string, own: string): boolean {
  const parts = view.axes.get(name);
  return parts?.length === 1 && parts[0] === own;
}

/** Is it `key <= query`, the keys counted from the first place of all, and as many as up to the last query? */
function behind(node: Node, graph: Graph): Known | undefined {
  const order = orderOf(node, (v) => graph.nodes.find((n) => n.outputs.some((o) => o.id === v.id)));
  if (order?.most !== 0) return undefined;
  const [key, query] = [order.key.attrs, order.query.attrs];
  return key.start.known === 0 &&
    key.axis.name !== query.axis.name &&
    key.axis.size.equals(query.start.plus(query.axis.size))
    ? { start: query.start, exact: true, key: key.axis.name, query: query.axis.name }
    : undefined;
}
