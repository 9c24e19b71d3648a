/** @file How prettier attaches comments: its own algorithm over `childrenOf`, and two places where it would guess wrong. */
import { childrenOf, type AnyNode } from "./children.ts";
import type { Comment, Commented } from "./page.ts";

/** A comment with the nodes around it, as prettier hands it to the handlers. */
interface Placed extends Comment {
  readonly enclosingNode?: (Commented & { readonly kind?: string }) | undefined;
  readonly precedingNode?: Commented | undefined;
  readonly followingNode?: (Commented & { readonly kind?: string }) | undefined;
}

const heads = new Set(["Model", "Block", "Op", "Checkpoint", "Law", "Rewrite", "Class", "From"]);
const braces = new Set(["Body", "Map"]);
/** What prints the comments in it itself, where it has nothing else. */
const containers = new Set([...braces, "File"]);

/** True where the comment has found its place. */
function place(comment: Placed, text: string): boolean {
  const { enclosingNode, precedingNode, followingNode } = comment;
  if (enclosingNode === undefined) return false;
  if (followingNode === undefined) {
    // In the middle of words: before all of them.
    return (
      precedingNode === undefined &&
      !containers.has(enclosingNode.kind ?? "") &&
      add(enclosingNode, comment, { leading: true })
    );
  }
  // `{ // here`: behind the brace, not before the first line.
  if (
    braces.has(enclosingNode.kind ?? "") &&
    precedingNode === undefined &&
    !text.slice(enclosingNode.span.start, comment.start).includes("\n")
  ) {
    return add(enclosingNode, comment);
  }
  if (!heads.has(enclosingNode.kind ?? "")) return false;
  // Behind the parameters, not behind the last of them.
  if (braces.has(followingNode.kind ?? "")) return add(followingNode, comment);
  const behindList = precedingNode === undefined || /[)>={]/.test(text.slice(precedingNode.span.end, comment.start));
  return behindList && add(followingNode, comment, { leading: true });
}

function add(node: Commented, comment: Comment, flags: Pick<Comment, "leading"> = {}): true {
  node.comments = [...(node.comments ?? []), comment];
  comment.leading = flags.leading ?? false;
  comment.trailing = false;
  return true;
}

export const commentHooks = {
  canAttachComment: (): boolean => true,
  getCommentChildNodes: (node: AnyNode) => [...childrenOf(node)],
  isBlockComment: (): boolean => false,
  willPrintOwnComments: (): boolean => true,
  handleComments: { ownLine: place, endOfLine: place, remaining: place },
};
